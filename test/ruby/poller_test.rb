# frozen_string_literal: true

require_relative "test_helper"
require "passenger/http/poller"

module PhusionPassenger
  # The Ruby implementation; the class below tests the C implementation.
  class PlainPollerTest < TestCase
    def pollers
      PlainPoller
    end

    def setup
      super
      @poller = pollers.new
      @closers << -> { @poller.close }
      @near, @far = stream_pair
    end

    def wait(seconds = 0)
      @poller.wait(seconds)
    end

    def test_nothing_is_ready_where_nothing_is_watched
      @far.write("x")
      assert_empty wait
    end

    def test_a_readable_socket_is_reported_until_it_was_read
      @poller.read(@near)
      assert_empty wait
      @far.write("x")
      2.times { assert_same @near, wait(60)[0] }
      @near.readpartial(1)
      assert_empty wait
    end

    def test_the_end_of_a_socket_is_reported
      @poller.read(@near)
      @far.close
      assert_equal [@near], wait(60)
    end

    def test_a_socket_can_be_watched_for_writing_instead
      @poller.read(@near)
      @far.write("x")
      @poller.write(@near)
      fill(@near)
      assert_empty wait
      @far.read_nonblock(10_000_000)
      assert_equal [@near], wait(60)
      @poller.read(@near)
      assert_equal [@near], wait(60)
    end

    def fill(io)
      nil until io.write_nonblock("x" * 100_000, exception: false) == :wait_writable
    end

    def test_a_forgotten_socket_is_reported_no_more
      @poller.read(@near)
      @far.write("x")
      @poller.forget(@near)
      assert_empty wait
      @poller.forget(@near) # a second call changes nothing
      @poller.read(@near)
      assert_equal [@near], wait(60)
    end

    # An application's fork may hold a socket open that the worker has closed.
    def test_a_forgotten_socket_that_another_process_has_open_is_reported_no_more
      copy = closing(@near.dup)
      @poller.read(@near)
      @far.write("x")
      @poller.forget(@near)
      @near.close
      assert_empty wait
      assert_equal "x", copy.readpartial(1)
    end

    def test_the_poller_waits_for_the_given_time
      @poller.read(@near)
      began = Process.clock_gettime(Process::CLOCK_MONOTONIC)
      assert_empty wait(0.05)
      assert_operator Process.clock_gettime(Process::CLOCK_MONOTONIC) - began, :>=, 0.05
    end

    def test_other_threads_run_while_the_poller_waits
      @poller.read(@near)
      thread = Thread.new { @far.write("x") }
      assert_equal [@near], in_time { wait(nil) }
      thread.join
    end

    def test_a_signal_handler_runs_while_the_poller_waits
      before = trap(:USR1) { @far.write("x") }
      @poller.read(@near)
      Process.kill(:USR1, Process.pid)
      eventually { wait(1) == [@near] }
    ensure
      trap(:USR1, before)
    end

    def test_many_ready_sockets_are_reported_and_none_is_lost
      pairs = Array.new(300) { stream_pair }
      pairs.each do |near, far|
        @poller.read(near)
        far.write("x")
      end
      told = []
      eventually do
        wait.each { |io| io.readpartial(1) && told << io }
        told.size == pairs.size
      end
      assert_equal pairs.map(&:first).sort_by(&:fileno), told.sort_by(&:fileno)
    end
  end

  class NativePollerTest < PlainPollerTest
    def setup
      skip_without_native
      super
    end

    # Called before `setup` has made anything that `teardown` would close.
    def skip_without_native
      return if Native::LOADED

      @closers = []
      @open_before = descriptors
      @threads_before = Thread.list
      skip "there is no native code"
    end

    def pollers
      Native::Poller
    end

    def test_watched_objects_are_not_collected
      number = @near.fileno
      @poller.read(Struct.new(:fileno).new(number))
      GC.start
      @far.write("x")
      assert_equal number, wait(60)[0].fileno
    end

    def test_an_object_without_a_descriptor_is_refused
      assert_raises(NoMethodError) { @poller.read(nil) }
      assert_raises(TypeError) { @poller.read(Struct.new(:fileno).new("x")) }
      assert_raises(IOError) { @poller.read(@near.tap(&:close)) }
      assert_raises(ArgumentError) { @poller.read(Struct.new(:fileno).new(-1)) }
    end
  end
end
