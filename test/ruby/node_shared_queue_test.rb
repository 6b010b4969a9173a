# frozen_string_literal: true

require_relative "runs_node"

module PhusionPassenger
  # Two instances of Node that take requests from one queue.
  class NodeSharedQueueTest < ProcessTestCase
    prepend RunsNode

    REQUESTS = 100

    def setup
      super
      @instances = Array.new(2) { loaded("instance") }
      @group = closing(Peers::Group.new)
      instances.each_with_index { |one, i| serve(one, group: @group, threads: 2, cell: 2 * i) }
      @child, @theirs, = new_channel(1)
    end

    def test_a_request_wakes_one_of_the_idle_instances
      before = waits
      answers = Array.new(REQUESTS) { |i| answer(i + 1) }
      assert_equal [200], answers.uniq
      # Each instance waits again after it has been woken.
      assert_operator waits - before, :<, REQUESTS * 3 / 2
    end

    # It goes on with its request, and must not be the one that the next request wakes.
    def test_an_instance_whose_server_is_closed_takes_no_wake_up_from_others
      closed, channel, = new_channel(7)
      @group.send(channel: 7, ticket: 1, environment: at("/close"))
      ready, = in_time { IO.select(instances.map { |one| one.control.io }) }
      chosen = instances.find { |one| ready.include?(one.control.io) }
      assert_equal [57, ["7"]], chosen.read.then { |frame| [frame.type, frame.fields] }
      chosen.control.write(58, 7, descriptors: [channel])
      assert_equal 200, in_time { closed.receive }.status
      assert_equal 200, answer(1)
    end

    private

    def at(path)
      Peers::ENVIRONMENT.merge("PATH_INFO" => path)
    end

    # Returns the status when both instances wait again.
    def answer(ticket)
      @group.send(channel: 1, ticket: ticket)
      status = in_time { answer_to_request }
      eventually("both instances wait") { instances.all? { |one| waits?(one) } }
      status
    end

    # An instance that has no channel yet asks for it. Returns the status.
    def answer_to_request
      sockets = instances.to_h { |one| [one.control.io, one] }
      loop do
        ready, = IO.select([@child.io, *sockets.keys])
        return @child.answer[0] if ready.include?(@child.io)

        ready.each { |io| give_channel(sockets.fetch(io)) }
      end
    end

    def give_channel(instance)
      frame = instance.read
      instance.control.write(58, 1, descriptors: [@theirs]) if frame.type == 57
    end

    # How often both instances have waited.
    def waits
      instances.sum { |one| in_main_thread(one, /^voluntary_ctxt_switches:\s+(\d+)/).to_i }
    end

    def waits?(instance)
      in_main_thread(instance, /^State:\s+(\S)/) == "S"
    end

    def in_main_thread(instance, field)
      File.read("/proc/#{instance.pid}/task/#{instance.pid}/status")[field, 1]
    end

    attr_reader :instances
  end
end
