# frozen_string_literal: true

require_relative "test_helper"

module PhusionPassenger
  class FrameSocketTest < TestCase
    def setup
      super
      @raw, io = stream_pair
      @socket = FrameSocket.new(io)
    end

    def test_a_frame_arrives_as_it_was_sent
      FrameSocket.new(@raw).write(50, "app loaded", "done", 17)
      frame = @socket.read
      assert_equal [50, ["app loaded", "done", "17"], []],
                   [frame.type, frame.fields, frame.descriptors]
    end

    def test_a_frame_that_comes_byte_by_byte_is_read_whole
      bytes = Frame.new(49, ["app_root", "/srv/blog"]).encode
      sender = Thread.new { bytes.each_char { |byte| @raw.syswrite(byte) && Thread.pass } }
      assert_equal ["app_root", "/srv/blog"], in_time { @socket.read }.fields
      sender.join
    end

    def test_frames_that_come_at_once_are_read_one_by_one
      @raw.syswrite(Frame.new(51).encode + Frame.new(56).encode)
      assert_equal [51, 56], [@socket.read.type, @socket.read.type]
    end

    def test_the_largest_frame_passes
      field = "x" * (Frame::MAX_LENGTH - 4)
      sender = Thread.new { FrameSocket.new(@raw).write(49, field) }
      assert_equal field.bytesize, in_time { @socket.read }.fields[0].bytesize
      sender.join
    end

    def test_nil_is_read_at_the_end
      @raw.close
      assert_nil @socket.read
    end

    def test_a_socket_closed_in_the_middle_of_a_frame_is_an_error
      ["\x04\0".b, "\x04\0\0\0\x30\0\0\0\x01".b].each do |bytes|
        raw, io = stream_pair
        raw.syswrite(bytes)
        raw.close
        assert_refused(FrameSocket.new(io))
      end
    end

    def test_a_frame_over_the_limit_is_refused_before_it_is_read
      @raw.syswrite([Frame::MAX_LENGTH + 1, 49, 0].pack("Vvv"))
      assert_refused(@socket)
    end

    def test_descriptors_come_with_the_frame
      reader, writer = IO.pipe.each { |io| closing(io) }
      FrameSocket.new(@raw).write(58, 7, descriptors: [writer])
      passed, = @socket.read.take_descriptors(1).each { |io| closing(io) }
      passed.syswrite("through")
      assert_equal "through", reader.readpartial(10)
      assert_predicate passed, :close_on_exec?
    end

    def test_sixteen_descriptors_come_in_order
      files = Array.new(16) do |index|
        closing(File.open(File::NULL, "w")).tap { |file| file.sync = index.even? }
      end
      FrameSocket.new(@raw).write(53, descriptors: files)
      assert_equal 16, @socket.read.take_descriptors(16).each { |io| closing(io) }.size
    end

    def test_fewer_descriptors_than_announced_are_refused
      @raw.syswrite([0, 55, 1].pack("Vvv"))
      assert_refused(@socket)
    end

    def test_a_channel_may_come_without_its_descriptor
      @raw.syswrite([0, 58, 1].pack("Vvv"))
      assert_equal [58, []], @socket.read.then { |frame| [frame.type, frame.descriptors] }
    end

    def test_more_descriptors_than_announced_are_refused_and_closed
      @raw.sendmsg([0, 58, 0].pack("Vvv"), 0, nil, Socket::AncillaryData.unix_rights($stdin))
      assert_refused(@socket)
    end

    def test_a_bad_field_closes_the_descriptors_that_came_with_it
      bytes = [4, 58, 1].pack("Vvv") + "\x09\0\0\0".b
      @raw.sendmsg(bytes, 0, nil, Socket::AncillaryData.unix_rights($stdin))
      assert_refused(@socket)
    end

    def test_writing_to_a_closed_peer_raises
      @raw.close
      assert_raises(Errno::EPIPE) { @socket.write(56) }
    end

    def test_frames_of_several_threads_do_not_mix
      field = "x" * 100_000
      writers = Array.new(4) { Thread.new { 5.times { @socket.write(57, field) } } }
      reader = FrameSocket.new(@raw)
      20.times { assert_equal [field], in_time { reader.read }.fields }
      writers.each(&:join)
    end

    def test_the_flags_of_the_descriptor_stay_as_they_are
      before = @socket.io.fcntl(Fcntl::F_GETFL)
      FrameSocket.new(@raw).write(51)
      @socket.read
      @socket.write(56)
      assert_equal before, @socket.io.fcntl(Fcntl::F_GETFL)
    end

    private

    def assert_refused(socket)
      assert_raises(ProtocolError) { in_time { socket.read } }
      assert_predicate socket.io, :closed?
    end
  end
end
