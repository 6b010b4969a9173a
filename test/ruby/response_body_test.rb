# frozen_string_literal: true

require_relative "rack_test_case"

module PhusionPassenger
  # Bodies of each kind; each is closed.
  class ResponseBodyTest < RackTestCase
    def test_an_array_is_one_piece
      assert_equal [[:respond, 200, "", "onetwo", true]],
                   call(->(_) { [200, {}, %w[one two]] }).calls
    end

    def test_a_string_nil_and_parts_that_are_no_strings_are_sent_as_phusion_passenger_does
      { "text" => "text", nil => "", ["a", nil, "b"] => "ab", ["a", 1, :b] => "a1b", [nil] => "",
        [1] => "1" }.each do |body, text|
        assert_equal [[:respond, 200, "", text, true]], call(->(_) { [200, {}, body] }).calls
      end
      assert_equal ["a", "1", ""],
                   call(->(_) { [200, {}, Body.new(["a", nil, 1])] }).calls[1..].map { |it| it[1] }
    end

    def test_pieces_go_out_as_they_come
      body = Body.new(["one", "", "two"])
      calls = call(->(_) { [200, { "A" => "1" }, body] }).calls
      assert_equal [[:respond, 200, "A: 1\r\n", "", false], [:data, "one", false],
                    [:data, "two", false],
                    [:data, "", true]], calls
      assert_equal 1, body.closed
    end

    def test_the_head_does_not_wait_for_the_first_piece
      recorder = Recorder.new
      seen = nil
      body = Enumerator.new { seen = recorder.calls.dup }
      call(->(_) { [200, {}, body] }, recorder: recorder)
      assert_equal [[:respond, 200, "", "", false]], seen
    end

    def test_the_piece_that_fills_the_content_length_is_the_last
      calls = call(->(_) { [200, { "content-length" => "6" }, Body.new(%w[one two])] }).calls
      assert_equal([false, true], calls.map(&:last))
    end

    def test_nothing_follows_the_piece_that_exceeds_the_content_length
      calls = nil
      log = logged do
        calls = call(->(_) { [200, { "Content-Length" => "4" }, Body.new(%w[one two three four])] })
          .calls
      end
      assert_equal [[:respond, 200, "Content-Length: 4\r\n", "one", false], [:data, "two", true]],
                   calls
      assert_match(/\Aevent=response.cut reason="[^"]*longer than its Content-Length[^"]*"\n\z/,
                   log)
    end

    def test_a_body_without_pieces_is_an_empty_answer
      assert_equal [[:respond, 200, "", "", false], [:data, "", true]],
                   call(->(_) { [200, {}, Body.new([])] }).calls
      headers = { "Content-Length" => "0" }
      assert_equal [[:respond, 200, "Content-Length: 0\r\n", "", true]],
                   call(->(_) { [200, headers, Body.new([])] }).calls
    end

    def test_head_requests_and_empty_statuses_bring_no_body
      [[200, true], [204, false], [304, false]].each do |status, head_request|
        body = Body.new(["unseen"])
        recorder = call(->(_) { [status, { "A" => "1" }, body] }, head_request: head_request)
        assert_equal [[:respond, status, "A: 1\r\n", "", true]], recorder.calls
        assert_equal 1, body.closed
      end
    end

    def test_a_file_is_sent_in_pieces
      file = closing(Tempfile.create("passenger-test"))
      File.unlink(file.path)
      content = Random.new(1).bytes(200_000)
      file.write(content)
      file.flush
      body = Class.new { define_method(:to_path) { "/proc/self/fd/#{file.fileno}" } }.new
      calls = call(->(_) { [200, { "A" => "1" }, body] }).calls
      pieces = [calls[0][3]] + calls.drop(1).map { |data| data[1] }
      assert_equal content, pieces.join
      assert_equal [65_570, 65_576, 65_576, 3278], pieces.map(&:bytesize)
      assert_equal([false, false, false, true], calls.map(&:last))
    end

    def test_a_body_whose_file_is_unlinked_is_sent_by_each
      file = Tempfile.new("passenger-test")
      file.write("kept")
      file.rewind
      file.unlink
      calls = call(->(_) { [200, { "Content-Length" => "4" }, file] }).calls
      assert_equal [[:respond, 200, "Content-Length: 4\r\n", "kept", true]], calls
    ensure
      file.close
    end

    # Takes files as long as `taken` is true.
    class FileRecorder < Recorder
      attr_accessor :taken

      def takes_file?
        true
      end

      def file(file, offset, length)
        @calls << [:file, file.pread(length, offset), true] if taken
        taken
      end
    end

    def test_a_long_file_goes_as_a_descriptor
      recorder = FileRecorder.new.tap { |one| one.taken = true }
      with_file(300_000) do |content, body|
        calls = call(->(_) { [200, { "A" => "1" }, body] }, recorder: recorder).calls
        assert_equal [[:respond, 200, "A: 1\r\n", "", false], [:file, content, true]], calls
      end
    end

    def test_a_short_file_goes_in_pieces
      recorder = FileRecorder.new.tap { |one| one.taken = true }
      with_file(100_000) do |content, body|
        calls = call(->(_) { [200, {}, body] }, recorder: recorder).calls
        assert_equal [:respond, :data], calls.map(&:first)
        assert_equal content, calls[0][3] + calls[1][1]
      end
    end

    def test_a_file_that_the_kernel_does_not_take_goes_in_pieces
      recorder = FileRecorder.new
      with_file(300_000) do |content, body|
        calls = call(->(_) { [200, {}, body] }, recorder: recorder).calls
        assert_equal [:respond, 200, "", "", false], calls.shift
        assert_equal content, calls.map { |data| data[1] }.join
        assert_equal [true], calls.map(&:last).last(1)
      end
    end

    def test_a_part_of_a_file_comes_by_each
      headers = { "Content-Length" => "4" }
      [[206, headers], [206, {}], [200, headers]].each do |status, given|
        [Recorder.new, FileRecorder.new.tap { |one| one.taken = true }].each do |recorder|
          with_file(300_000) do |content, whole|
            body = part_of(whole, content[10, 4])
            calls = call(->(_) { [status, given, body] }, recorder: recorder).calls
            pieces = calls.map { |one| one[0] == :respond ? one[3] : one[1] }
            assert_equal content[10, 4], pieces.join[0, 5]
          end
        end
      end
    end

    def test_a_file_of_the_announced_length_is_the_answer
      recorder = FileRecorder.new.tap { |one| one.taken = true }
      with_file(300_000) do |content, whole|
        headers = { "Content-Length" => "300000" }
        calls = call(->(_) { [200, headers, part_of(whole, "unused")] }, recorder: recorder).calls
        assert_equal [:file, content, true], calls.last
      end
    end

    def test_only_files_of_local_file_systems_go_as_descriptors
      with_file(300_000) { |_, body| assert suits?(body.to_path) }
      refute suits?("/dev/zero")
      refute suits?("/")
      # As large as the memory.
      refute suits?("/proc/kcore")
    end

    def test_a_body_that_is_called_writes_to_a_stream
      body = lambda do |stream|
        stream << "one" << stream.read
        stream.write("two")
        stream.close
      end
      calls = call(->(_) { [200, {}, body] }, input: MemoryInput.new("posted")).calls
      assert_equal [[:respond, 200, "", "", false], [:data, "one", false], [:data, "posted", false],
                    [:data, "two", false],
                    [:data, "", true]], calls
    end

    def test_a_stream_may_be_closed_by_another_thread_after_the_call
      recorder = Recorder.new
      others = nil
      body = lambda do |stream|
        others = Thread.new do
          stream.write("later")
          stream.close
        end
      end
      in_time { call(->(_) { [200, {}, body] }, recorder: recorder) }
      others.join
      assert_equal [[:data, "later", false], [:data, "", true]], recorder.calls.drop(1)
    end

    def test_a_stream_whose_client_has_left_fails_as_a_socket_does_and_closes
      seen = []
      body = lambda do |stream|
        stream.write("one")
      rescue Errno::EPIPE => e
        seen << e.message
      ensure
        stream.close
        seen << stream.closed?
      end
      assert_empty logged { call(->(_) { [200, {}, body] }, recorder: LeftRecorder.new) }
      assert_equal ["Broken pipe - gone", true], seen
    end

    def test_a_body_that_cannot_be_closed_is_logged
      body = Body.new(["one"])
      def body.close
        raise "stuck"
      end
      assert_includes logged { call(->(_) { [200, {}, body] }) }, "response.close_failed"
    end

    private

    def suits?(path)
      return false unless File.readable?(path)

      File.open(path) { |file| AnswerFile.suits?(file) }
    end

    # As Rack::File of Rack 2.1 and Shrine's FileBody.
    def part_of(whole, part)
      Body.new([part]).tap { |body| body.define_singleton_method(:to_path) { whole.to_path } }
    end

    # A file of tmpfs.
    def with_file(size)
      Tempfile.create("passenger-test", "/dev/shm") do |file|
        content = Random.new(1).bytes(size)
        file.binmode.write(content)
        file.flush
        yield content, Struct.new(:to_path).new(file.path)
      end
    end
  end
end
