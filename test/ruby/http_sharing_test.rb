# frozen_string_literal: true

require_relative "http_server_test_case"

module PhusionPassenger
  # Workers that give each other connections.
  class HttpSharingTest < HttpServerTestCase
    # In seconds: a request of this length is long.
    LONG = HttpSharing::WORTH * 200

    # An application that notes each request's path. Requests of /slow wait for the test.
    def gated(&more)
      @entered = Thread::Queue.new
      @go_on = Thread::Queue.new
      lambda do |env|
        more&.call(env)
        @entered << env["PATH_INFO"]
        @go_on.pop if env["PATH_INFO"].start_with?("/slow")
        [200, {}, [env["PATH_INFO"], " ", env["REMOTE_ADDR"]]]
      end
    end

    # Connections that had an answer, so that the server keeps them.
    def kept(count)
      Array.new(count) do
        connect.tap { |socket| socket.write(get) && answer(socket) && @entered&.clear }
      end
    end

    def enter(socket, path)
      socket.write(get(path))
      in_time { assert_equal path, @entered.pop }
    end

    # A second server without a listener. Its connections come from the queue.
    def other(app, **limits, &block)
      running(@other = new_server([], app, **limits), &block)
    end

    # Stops the rebalancer. It would give connections away whenever the machine stalls.
    def stop_rebalancer
      part(:rebalancer).define_singleton_method(:wake) { nil }
    end

    def in_queue?
      !@taking.wait_readable(0).nil?
    end

    def test_another_worker_answers_requests_that_come_during_a_long_one
      serve(app = gated) do
        slow, quick = kept(2)
        enter(slow, "/slow")
        quick.write(get("/quick"))
        other(app) do
          assert_equal "/quick 127.0.0.1", answer(quick)[1]
          quick.write(get("/again")) # it is the other one's now
          assert_equal "/again 127.0.0.1", answer(quick)[1]
          @go_on << 1
          assert_equal "/slow 127.0.0.1", answer(slow)[1]
        end
      end
    end

    # Whether each of two connections that are ready at the same time finds the queue in use.
    def queue_in_use
      sockets = []
      told = []
      app = lambda do |env|
        told << in_queue? if env["PATH_INFO"] == "/timed"
        sleep(LONG) unless env["PATH_INFO"] == "/begin"
        sockets.each { |socket| socket.write(get("/timed")) } if env["PATH_INFO"] == "/begin"
        [200, {}, ["x"]]
      end
      serve(app) do
        stop_rebalancer
        first, *sockets = kept(3)
        first.write(get("/begin"))
        [first, *sockets].each { |socket| answer(socket) }
      end
      told
    end

    def test_a_connection_that_would_wait_is_given_away
      loads.enter(1, 10)
      assert_equal [true, false], queue_in_use
    end

    # Another worker would have served the second connection meanwhile.
    def test_the_request_that_has_waited_longest_is_answered_first
      loads.enter(1, 10)
      sockets = []
      told = []
      app = lambda do |env|
        told << env["PATH_INFO"]
        sleep(LONG) if env["PATH_INFO"] == "/"
        if env["PATH_INFO"] == "/begin"
          sockets.each_with_index { |socket, i| socket.write(get("/#{i}")) }
        end
        @first.write(get("/late")) if env["PATH_INFO"] == "/0"
        [200, {}, ["x"]]
      end
      serve(app) do
        stop_rebalancer
        @first, *sockets = kept(3)
        told.clear
        @first.write(get("/begin"))
        [@first, *sockets, @first].each { |socket| answer(socket) }
      end
      assert_equal %w[/begin /0 /1 /late], told
    end

    # CPU slots that are all taken, or all free.
    module FreeSlots
      attr_writer :free

      def take(*)
        @free
      end
    end

    def cpu_slots(free)
      part(:sharing).instance_variable_get(:@cpu_slots).extend(FreeSlots).free = free
    end

    def test_a_worker_without_a_cpu_slot_leaves_requests_to_others_until_it_has_one
      loads.enter(1, 10)
      serve(gated) do
        sockets = kept(2)
        cpu_slots(false)
        sockets.each { |socket| socket.write(get("/quick")) }
        eventually { @server.idle_connections.empty? }
        assert in_queue?
        late = connect.tap { |socket| socket.write(get("/late")) }
        sleep CpuSlots::PATIENCE * 3
        assert_empty @entered
        cpu_slots(true)
        [*sockets, late].each { |socket| assert_match(/127.0.0.1/, answer(socket)[1]) }
      end
    end

    def test_a_worker_with_many_connections_needs_no_cpu_slot
      loads.enter(1, 10)
      serve(gated) do
        sockets = kept(100)
        cpu_slots(false)
        assert part(:sharing).slot?
        sockets.pop.close
        eventually { !part(:sharing).slot? }
      end
    end

    def test_a_worker_without_a_cpu_slot_serves_what_it_cannot_give_away
      loads.enter(1, 10)
      serve(gated) do
        half, quick = kept(2)
        # A client may have its answer before the server counts its connection as idle.
        eventually { @server.idle_connections.size == 2 }
        half.write("POST /half HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nx")
        eventually { @server.idle_connections.size == 1 }
        cpu_slots(false)
        half.write("y")
        assert_equal "/half 127.0.0.1", answer(half)[1]
        fill_queue
        quick.write(get("/quick"))
        assert_equal "/quick 127.0.0.1", answer(quick)[1]
      end
    end

    def test_a_connection_stays_without_other_workers
      assert_equal [false, false], queue_in_use
    end

    def test_an_idle_connection_goes_to_another_worker_when_its_own_ends
      serve(app = gated) do
        socket, = kept(1)
        other(app) do
          @server.finish
          eventually { refused? }
          socket.write(get("/still"))
          head, body = answer(socket)
          assert_equal "/still 127.0.0.1", body
          refute_match(/^Connection: close/, head)
        end
      end
    end

    def test_a_connection_keeps_its_deadline_in_another_worker
      serve(app = gated) do
        socket, = kept(1)
        other(app) do
          @server.finish
          eventually { refused? }
          [@server, @other].each { |server| put_forward(HttpDeadlines::FAREWELL * 2, server) }
          sleep 0.1 # deadlines are looked at meanwhile
          socket.write(get("/still"))
          assert_equal "/still 127.0.0.1", answer(socket)[1]
        end
      end
    end

    # Ruby 3.3 hangs once it could not make a thread.
    def test_a_rebalancer_makes_no_thread_during_work
      rebalancer = HttpRebalancer.new(nil)
      Thread.stub(:new, ->(*) { raise ThreadError, "can't create Thread" }) do
        assert_equal "", logged { rebalancer.wake }
      end
    ensure
      rebalancer&.close
    end

    def test_a_worker_that_ends_gives_idle_connections_away_though_it_is_at_a_request
      serve(app = gated) do
        slow, idle = kept(2)
        enter(slow, "/slow")
        @server.finish
        eventually { in_queue? }
        idle.write(get("/still"))
        other(app) { assert_equal "/still 127.0.0.1", answer(idle)[1] }
        @go_on << 1
        assert_equal "/slow 127.0.0.1", answer(slow)[1]
      end
    end

    def test_at_the_end_of_all_workers_the_queue_is_answered
      serve(app = gated) do
        slow, *others = kept(4)
        enter(slow, "/slow")
        others.each { |socket| socket.write(get("/waiting")) }
        eventually { @server.idle_connections.empty? }
        @giving.shutdown(:RDWR)
        @server.finish
        @go_on << 1
        others.each do |socket|
          assert_match(/^Connection: close\r\n.*\/waiting 127.0.0.1\z/m, in_time { socket.read })
        end
      end
    end

    def test_connections_stay_while_the_queue_is_full
      serve(app = gated) do
        slow, quick = kept(2)
        enter(slow, "/slow")
        fill_queue
        quick.write(get("/quick"))
        @go_on << 1
        assert_equal "/quick 127.0.0.1", answer(quick)[1]
      end
    end

    # Fills the queue with sockets whose other ends are closed.
    def fill_queue
      nothing, other = UNIXSocket.pair
      other.close
      connection = Struct.new(:socket, :deadline, :peer).new(PlainClientSocket.new(nothing), 0, "")
      line = new_queue
      nil while line.give(connection)
    ensure
      nothing.close
      line.close
    end

    def test_a_connection_with_a_part_of_a_request_stays
      serve(app = gated) do
        slow, half = kept(2)
        half.write("POST /half HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nx")
        eventually { @server.idle_connections.size == 1 }
        enter(slow, "/slow")
        half.write("y")
        other(app) do
          sleep 0.1
          refute in_queue?
          assert_empty @entered
          @go_on << 1
          assert_equal "/half 127.0.0.1", answer(half)[1]
        end
      end
    end

    def test_a_connection_with_a_part_of_a_request_stays_and_waits
      loads.enter(1, 1)
      others = []
      app = lambda do |env|
        sleep(LONG) unless env["PATH_INFO"] == "/begin"
        others.each { |socket, bytes| socket.write(bytes) } if env["PATH_INFO"] == "/begin"
        [200, {}, [env["PATH_INFO"]]]
      end
      serve(app) do
        first, quick, half = kept(3)
        others = [[quick, get("/quick")], [half, "y"]]
        half.write("POST /half HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nx")
        eventually { @server.idle_connections.size == 2 }
        first.write(get("/begin"))
        assert_equal(%w[/begin /quick /half],
                     [first, quick, half].map { |socket| answer(socket)[1] })
      end
    end

    def test_a_worker_at_its_limit_takes_no_connections
      serve(app = gated, connections: 2) do
        slow, quick = kept(2)
        enter(slow, "/slow")
        quick.write(get("/quick"))
        eventually { in_queue? }
        @go_on << 1
        assert_equal "/slow 127.0.0.1", answer(slow)[1]
        assert_equal "/quick 127.0.0.1", answer(quick)[1]
      end
    end
  end
end
