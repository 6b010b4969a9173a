# frozen_string_literal: true

require_relative "process_test_case"
require_relative "runs_python"

module PhusionPassenger
  # The end of Python instances, and of processes that their applications fork.
  class PythonEndTest < ProcessTestCase
    prepend RunsPython

    WSGI = <<~'PYTHON'
      import multiprocessing, os, threading, time

      def work():
          time.sleep(0.5)
          print("work done")

      def forks():
          if not os.fork():
              raise ValueError("in the fork")
          return str(os.waitstatus_to_exitcode(os.wait()[1]))

      def starts_a_thread():
          threading.Thread(target=work).start()
          return "started"

      def starts_a_process():
          process = multiprocessing.get_context("fork").Process(target=starts_a_thread)
          process.start()
          process.join()
          return str(process.exitcode)

      PAGES = {"/fork": forks, "/thread": starts_a_thread, "/process": starts_a_process}

      def application(environ, start_response):
          start_response("200 OK", [])
          page = PAGES[environ["PATH_INFO"]]
          return [page().encode()]
    PYTHON

    # Both loops: asyncio's own is taken where the application has chosen a policy.
    LOOPS = {
      "uvloop, if it is there" => "",
      "asyncio" => <<~'PYTHON'
        import asyncio
        class Policy(asyncio.DefaultEventLoopPolicy): pass
        asyncio.set_event_loop_policy(Policy())
      PYTHON
    }.freeze

    ASGI = <<~'PYTHON'
      import asyncio

      HOLD = []
      keeps = set()

      async def numbers():
          try:
              yield 1
          finally:
              await asyncio.sleep(0)
              print("generator closed")

      async def consume():
          generator = numbers()
          async for _ in generator:
              keeps.add(generator)
              break
          try:
              await asyncio.Event().wait()
          finally:
              await asyncio.sleep(0)
              print("task flushed")

      async def interrupts():
          raise KeyboardInterrupt()

      async def holds():
          HOLD.append(asyncio.Event())
          await HOLD[-1].wait()

      async def releases():
          for _ in range(10):
              await asyncio.sleep(0)
          for one in HOLD:
              one.set()

      async def application(scope, receive, send):
          if scope["type"] != "http":
              raise NotImplementedError()
          path = scope["path"]
          if path == "/consume":
              keeps.add(asyncio.create_task(consume()))
              await asyncio.sleep(0)
          elif path == "/hold":
              await holds()
          elif path == "/interrupt":
              keeps.add(asyncio.create_task(releases()))
              await asyncio.create_task(interrupts())
          await send({"type": "http.response.start", "status": 200, "headers": []})
          await send({"type": "http.response.body", "body": b"answered"})
    PYTHON

    HOOK = <<~'PYTHON'
      import os, time
      import passenger

      def forks():
          reading, writing = os.pipe()
          if not os.fork():
              names = [os.readlink("/proc/self/fd/" + one) for one in os.listdir("/proc/self/fd")
                       if os.path.exists("/proc/self/fd/" + one)]
              sockets = sum(name.startswith("socket:") for name in names)
              print("sockets of the fork:", sockets, flush=True)
              os._exit(0)
          os.wait()

      passenger.hooks.starting_worker_process(lambda forked: forks())

      async def application(scope, receive, send):
          raise NotImplementedError()
    PYTHON

    def test_the_end_waits_for_a_thread_of_a_request
      with_instance(WSGI, "wsgi") do |instance, group|
        assert_equal "started", get(group, instance, "/thread")
        finish(instance)
        assert_includes output_of(instance), "work done\n"
      end
    end

    def test_a_process_of_multiprocessing_waits_for_its_thread_and_succeeds
      with_instance(WSGI, "wsgi") do |instance, group|
        assert_equal "0", get(group, instance, "/process")
        finish(instance)
        assert_includes output_of(instance), "work done\n"
      end
    end

    def test_a_fork_that_raises_has_the_status_of_an_error
      with_instance(WSGI, "wsgi") do |instance, group|
        assert_equal "1", get(group, instance, "/fork")
        finish(instance)
        assert_match(/event=request.failed .*exception="ValueError"/, output_of(instance))
      end
    end

    LOOPS.each do |name, policy|
      define_method("test_the_end_cancels_tasks_and_closes_generators_with_#{name}") do
        with_instance(policy + ASGI, "asgi") do |instance, group|
          assert_equal "answered", get(group, instance, "/consume")
          finish(instance)
          output = output_of(instance)
          assert_includes output, "task flushed\n"
          assert_includes output, "generator closed\n"
        end
      end

      define_method("test_requests_in_work_outlive_an_interrupt_in_a_task_with_#{name}") do
        with_instance(policy + ASGI, "asgi") do |instance, group|
          held = [1, 2].map { |id| request(group, instance, "/hold", id: id) }
          request(group, instance, "/interrupt", id: 3)
          held.each { |child| assert_equal "answered", in_time { child.answer }[2] }
          in_time { instance.output.read }
        end
      end

      define_method("test_a_process_that_the_starting_hook_forks_has_no_part_in_it_with_#{name}") do
        with_instance(policy + HOOK, "asgi") do |instance, _|
          finish(instance)
          output = output_of(instance)
          assert_includes output, "sockets of the fork: 0\n"
          refute_includes output, "Exception ignored"
        end
      end
    end

    private

    def with_instance(text, type)
      in_folder("app.py" => text) do |root|
        more = { app_root: root, app_type: type, thread_count: 1 }
        instance = loaded("instance", "app.py", more)
        yield instance, serve(instance, threads: type == "asgi" ? 8 : 1)
      end
    end
  end
end
