# frozen_string_literal: true

require_relative "rack_test_case"

module PhusionPassenger
  # The stream of a Rack 3 body, which several threads of the application use.
  class StreamBodyTest < RackTestCase
    # Its client takes each message only when the test opens the gate.
    class SlowRecorder < Recorder
      attr_reader :begun, :gate

      def initialize
        super
        @begun = Thread::Queue.new
        @gate = Thread::Queue.new
      end

      def data(bytes, last: false)
        @begun << bytes
        @gate.pop
        super
      end

      def finish
        data("", last: true)
      end
    end

    def setup
      super
      @recorder = SlowRecorder.new
      @threads = []
      @closers << -> { @threads.each { |thread| in_time { thread.join } } }
      @closers << -> { @recorder.gate.close }
    end

    def test_a_message_is_sent_whole_before_that_of_another_thread
      stream = StreamBody.new(@recorder, MemoryInput.new(""))
      first = thread { stream.write("first") }
      assert_equal "first", in_time { @recorder.begun.pop }
      second = thread { stream.write("second") }
      waits(second)
      assert_empty @recorder.begun
      2.times { @recorder.gate << 1 }
      assert_equal([5, 6], [first, second].map { |thread| in_time { thread.value } })
      assert_equal [[:data, "first", false], [:data, "second", false]], @recorder.calls
    end

    def test_the_end_comes_after_the_message_of_another_thread
      stream = StreamBody.new(@recorder, MemoryInput.new(""))
      thread { stream.write("first") }
      in_time { @recorder.begun.pop }
      closer = thread { stream.close }
      waits(closer)
      assert_empty @recorder.begun
      2.times { @recorder.gate << 1 }
      in_time { closer.join }
      assert_equal [[:data, "first", false], [:data, "", true]], @recorder.calls
    end

    def test_a_body_that_fails_has_no_writer_any_more
      stream = writer = nil
      body = lambda do |given|
        stream = given
        writer = thread { stream.write("first") }
        Thread.pass while @recorder.begun.empty?
        raise "failed"
      end
      log = logged do
        handler = thread { call(->(_) { [200, {}, body] }, recorder: @recorder) }
        eventually("the writer's start") { writer }
        waits(handler)
        refute_includes @recorder.calls, [:abort]
        @recorder.gate << 1
        in_time { handler.join }
      end
      assert_includes log, "failed"
      assert_equal [[:data, "first", false], [:abort]], @recorder.calls.drop(1)
      assert_raises(IOError) { stream.write("late") }
    end

    def test_the_answer_ends_if_the_writer_dies_of_a_client_that_has_left
      recorder = LeftRecorder.new
      # Only the writer sees it.
      def recorder.check_client; end
      seen = []
      body = lambda do |stream|
        2.times do
          thread do
            stream.write("one")
          rescue Errno::EPIPE => e
            seen << e.message
            raise
          end
        end
      end
      assert_empty logged { in_time { call(->(_) { [200, {}, body] }, recorder: recorder) } }
      @threads.each { |one| assert_raises(ClientGone) { in_time { one.join } } }
      @threads.clear
      assert_equal ["Broken pipe - gone"] * 2, seen
    end

    def test_the_answer_ends_if_its_client_leaves_while_no_thread_writes
      stream = nil
      body = ->(given) { stream = given }
      log = logged do
        in_time { call(->(_) { [200, {}, body] }, recorder: LeftRecorder.new) }
      end
      assert_empty log
      assert_predicate stream, :closed?
      assert_raises(Errno::EPIPE) { stream.write("late") }
    end

    private

    def thread(&block)
      @threads << Thread.new do
        Thread.current.report_on_exception = false
        block.call
      end
      @threads.last
    end

    # Until the thread sleeps, or has ended.
    def waits(thread)
      eventually("the wait of a thread") { thread.stop? }
    end
  end
end
