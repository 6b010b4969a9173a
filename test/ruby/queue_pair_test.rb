# frozen_string_literal: true

require_relative "test_helper"

module PhusionPassenger
  # Two real queues, read as one.
  class QueuePairTest < TestCase
    def setup
      super
      @to_own, own = queue
      @to_common, common = queue
      @pair = closing(QueuePair.new(own, common))
    end

    def test_the_own_queue_comes_first
      @to_common.send("common", 0)
      @to_own.send("own", 0)
      assert_equal %w[own common], [read, read]
    end

    def test_after_four_messages_of_the_own_queue_the_common_one_has_its_turn
      6.times { |number| @to_own.send("own #{number}", 0) }
      2.times { |number| @to_common.send("common #{number}", 0) }
      assert_equal ["own 0", "own 1", "own 2", "own 3", "common 0", "own 4", "own 5", "common 1"],
                   Array.new(8) { read }
    end

    def test_a_turn_that_nobody_wants_is_not_lost
      6.times { |number| @to_own.send("own #{number}", 0) }
      5.times { read }
      @to_common.send("common", 0)
      assert_equal ["common", "own 5"], [read, read]
    end

    def test_a_thread_that_sleeps_is_woken_by_a_message_of_either
      [@to_own, @to_common].each do |sender|
        reader = sleeping_reader
        sender.send("here", 0)
        assert_equal "here", in_time { reader.value }
      end
    end

    def test_the_end_of_the_own_queue_is_not_the_end
      @to_own.send("last", 0)
      @to_own.shutdown(Socket::SHUT_WR)
      assert_equal "last", read
      reader = sleeping_reader
      @to_common.send("common", 0)
      assert_equal "common", in_time { reader.value }
    end

    def test_the_end_of_the_common_queue_is_the_end
      @to_common.shutdown(Socket::SHUT_WR)
      assert_raises(EOFError) { read }
    end

    def test_empty_messages_in_the_own_queue_are_skipped
      [1, 2, 3, 10].each do |count|
        count.times { @to_own.send("", 0) }
        @to_own.send("behind #{count}", 0)
        assert_equal "behind #{count}", in_time { read }
      end
    end

    def test_an_own_queue_is_still_read_after_empty_messages
      10.times { @to_own.send("", 0) }
      reader = sleeping_reader
      @to_own.send("here", 0)
      assert_equal "here", in_time { reader.value }
      @to_own.shutdown(Socket::SHUT_WR)
      reader = sleeping_reader # the thread sleeps, it does not spin
      @to_common.shutdown(Socket::SHUT_WR)
      assert_instance_of EOFError, in_time { reader.value }
    end

    def test_all_threads_that_sleep_are_interrupted_until_they_may_go_on
      readers = Array.new(3) { sleeping_reader }
      @pair.interrupt
      assert_equal [Errno::EINTR] * 3, in_time { readers.map { |reader| reader.value.class } }
      assert_raises(Errno::EINTR) { read }
      @pair.go_on
      reader = sleeping_reader
      @to_own.send("here", 0)
      assert_equal "here", in_time { reader.value }
    end

    def test_the_sockets_of_a_queue_pair_stay_blocking
      @to_common.send("x", 0)
      read
      flags = %i[@own @common].map do |name|
        @pair.instance_variable_get(name).fcntl(Fcntl::F_GETFL)
      end
      assert(flags.all? { |value| value.nobits?(Fcntl::O_NONBLOCK) })
    end

    private

    def queue
      Peers.queue.each { |io| closing(io) }
    end

    def read
      @pair.sysread(100, +"")
    end

    def sleeping_reader
      reader = Thread.new do
        read
      rescue Errno::EINTR, EOFError => e
        e
      end
      eventually("sleep") { reader.status == "sleep" }
      reader
    end
  end
end
