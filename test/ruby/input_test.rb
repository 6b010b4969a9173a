# frozen_string_literal: true

require "csv"
require_relative "test_helper"

module PhusionPassenger
  # The requirements of Rack for rack.input; each kind of input meets them.
  module InputContract
    def test_the_whole_input_is_read_at_once
      assert_equal "one\ntwo\nthree", input("one\ntwo\nthree").read
    end

    def test_an_input_is_read_in_pieces_up_to_its_end
      io = input("abcdefg")
      assert_equal ["abc", "def", "g", nil, nil], Array.new(5) { io.read(3) }
    end

    def test_a_read_of_zero_bytes_is_not_the_end
      assert_equal "", input("a").read(0)
      assert_equal "", input("").read(0)
    end

    def test_reading_all_at_the_end_is_an_empty_string
      io = input("a")
      io.read
      assert_equal "", io.read
    end

    def test_a_buffer_is_filled_and_given_back
      io = input("abc")
      buffer = +"before"
      assert_same buffer, io.read(2, buffer)
      assert_equal "ab", buffer
      assert_same buffer, io.read(nil, buffer)
      assert_equal "c", buffer
      assert_nil io.read(1, buffer)
      assert_equal "", buffer
    end

    def test_a_negative_length_is_an_error
      assert_raises(ArgumentError) { input("abc").read(-1) }
    end

    def test_lines_end_with_their_newlines
      io = input("one\n\nthree")
      assert_equal ["one\n", "\n", "three", nil], Array.new(4) { io.gets }
    end

    def test_each_yields_lines
      lines = []
      input("one\ntwo").each { |line| lines << line }
      assert_equal %W[one\n two], lines
    end

    # Puma's input is a StringIO or a Tempfile.
    def test_lines_are_read_as_from_an_io
      text = "one\ntwo;\r\nthree;four"
      file = closing(Tempfile.new("input")).tap { |one| one.binmode.write(text) }
      [[], [nil], [3], [nil, 4], ["\r\n"], [";"], ["ee", 2], [";", 100], [0],
       [nil, -1]].each do |arguments|
        # Rubies differ in what a chomp without a separator removes.
        [{}, { chomp: !arguments.include?(nil) }].each do |options|
          file.rewind
          lines = [file, input(text)].map do |io|
            Array.new(30) { io.gets(*arguments, **options) }
          end
          assert_equal(*lines, "gets(#{arguments}, #{options})")
        end
      end
      assert_equal %w[one two; three;four], input(text.delete("\r")).each_line(chomp: true).to_a
      assert_raises(ArgumentError) { input(text).gets("") }
    end

    def test_the_end_is_told
      io = input("one\ntwo")
      refute_predicate io, :eof?
      assert_equal %W[one\n two], [io.readline, io.readline]
      assert_predicate io, :eof?
      assert_raises(EOFError) { io.readline }
      assert_predicate input(""), :eof?
    end

    def test_csv_reads_an_input
      text = "a,b\r\n1,2\r\n" * 600
      assert_equal CSV.parse(text), CSV.new(input(text)).to_a
      assert_equal CSV.parse(text), CSV.parse(input(text))
    end

    def test_strings_that_are_read_are_binary
      io = input("\xFFäö\n" * 3)
      assert_equal([Encoding::BINARY] * 3, [io.gets, io.read(2), io.read].map(&:encoding))
      assert_equal Encoding::BINARY, io.external_encoding
    end

    def test_an_input_may_be_closed_and_released_at_any_time
      io = input("abc")
      io.close
      assert_equal "abc", io.read
      io.release
    end
  end

  module RewindContract
    def test_an_input_is_read_again_after_a_rewind
      io = input("one\ntwo\n")
      assert_equal "one\n", io.gets
      io.rewind
      assert_equal "one\ntwo\n", io.read
      io.rewind
      assert_equal "one", io.read(3)
      io.rewind
      assert_equal "one\ntwo\n", io.read
    end
  end

  module ExpectContract
    def test_an_end_before_the_expected_length_is_broken_off
      io = input("abcdefg")
      io.expect(8)
      assert_equal "abcdef", io.read(6)
      assert_raises(BodyBrokenOff) { io.read(2) }
      assert_raises(BodyBrokenOff) { io.read }
    end

    # It takes an EOFError for the end.
    def test_a_body_that_was_broken_off_is_not_copied_as_a_whole_one
      io = input("abcdefg")
      io.expect(8)
      assert_raises(BodyBrokenOff) { IO.copy_stream(io, StringIO.new) }
    end

    def test_an_input_longer_than_the_expected_length_is_read_whole
      io = input("abcdefg")
      io.expect(6)
      assert_equal "abcdefg", io.read
    end
  end

  module SizeContract
    def test_an_input_tells_the_expected_length_before_it_is_read
      io = input("abc")
      io.expect(3)
      assert_equal 3, io.size
      assert_equal %w[ab c], [io.read(2), io.read]
    end
  end

  # Gives one piece at a time.
  class Pieces
    attr_reader :taken

    def initialize(pieces)
      @pieces = pieces
      @taken = 0
    end

    def next_piece
      @taken += 1
      @pieces.shift
    end
  end

  class MemoryInputTest < TestCase
    include InputContract
    include RewindContract

    def test_an_input_in_memory_knows_its_size
      assert_equal 3, input("abc").size
    end

    private

    def input(bytes)
      MemoryInput.new(bytes.b)
    end
  end

  class FileInputTest < TestCase
    include InputContract
    include RewindContract

    # As httpd does at the end of the exchange.
    def test_a_file_that_was_emptied_is_no_shorter_body
      file = unnamed("x" * 200_000)
      io = FileInput.new(file, 200_000)
      assert_equal 100_000, io.read(100_000).bytesize
      file.truncate(0)
      assert_raises(BodyBrokenOff) { io.read }
      assert_raises(BodyBrokenOff) { io.gets }
      assert_raises(BodyBrokenOff) { IO.copy_stream(io, StringIO.new) }
      io.release
    end

    private

    def input(bytes)
      FileInput.new(unnamed(bytes.b), bytes.bytesize)
    end

    def unnamed(bytes)
      closing(Tempfile.create("input")).tap do |file|
        File.unlink(file.path)
        file.binmode.write(bytes)
        file.rewind
      end
    end
  end

  class StreamInputTest < TestCase
    include InputContract
    include ExpectContract
    include SizeContract

    def test_a_streamed_input_has_no_rewind
      refute_respond_to input("abc"), :rewind
    end

    def test_no_piece_is_taken_before_it_is_read
      source = Pieces.new(%w[one two three])
      io = StreamInput.new(source)
      assert_equal 0, source.taken
      assert_equal "one", io.read(3)
      assert_equal 1, source.taken
    end

    private

    def input(bytes)
      StreamInput.new(Pieces.new(bytes.b.scan(/..?/mn)))
    end
  end

  class RewindableInputTest < TestCase
    include InputContract
    include ExpectContract
    include RewindContract
    include SizeContract

    def test_an_input_reads_and_keeps_its_bytes_to_tell_an_unknown_size
      io = input("abcdefg")
      assert_equal "abc", io.read(3)
      assert_equal [7, 7], [io.size, io.size]
      assert_equal "defg", io.read
      io.rewind
      assert_equal "abcdefg", io.read
    end

    def test_bytes_beyond_the_memory_limit_are_kept_in_a_file_without_a_name
      pieces = Array.new(100) { |index| [index].pack("N") * 2500 }
      io = RewindableInput.new(Pieces.new(pieces.map(&:dup)))
      assert pieces[0, 3].join == io.read(30_000)
      refute_predicate self, :file?
      assert pieces[3..].join == io.read
      assert_predicate self, :file?
      io.rewind
      assert pieces.join == io.read
      io.release
      refute_predicate self, :file?
      io.rewind
      assert_raises(IOError) { in_time { io.read } }
    end

    def test_an_input_rewound_in_the_middle_is_read_to_its_end
      whole = Random.new(1).bytes(1_000_000)
      io = RewindableInput.new(Pieces.new(whole.scan(/.{1,65512}/mn)))
      [10, 500_000, 100_000, 900_001].each do |length|
        assert whole.byteslice(0, length) == io.read(length)
        io.rewind
      end
      assert whole == io.read
      io.release
    end

    def test_a_file_is_unlinked_if_the_file_system_has_no_unnamed_files
      content = Random.new(2).bytes(200_000)
      io = RewindableInput.new(Pieces.new(content.scan(/.{1,65512}/mn)))
      without_unnamed_files { io.read }
      assert_predicate self, :file?
      io.rewind
      assert content == io.read
      io.release
      refute_predicate self, :file?
    end

    private

    def input(bytes)
      RewindableInput.new(Pieces.new(bytes.b.scan(/..?/mn)))
    end

    # In a TMPDIR that does not exist no file can be made without a name. Tempfile then takes
    # another folder.
    def without_unnamed_files
      before = ENV.fetch("TMPDIR", nil)
      ENV["TMPDIR"] = "/nonexistent"
      yield
    ensure
      ENV["TMPDIR"] = before
    end

    # True if this process has an unlinked file open.
    def file?
      Dir.children("/proc/self/fd").any? { |fd| deleted?("/proc/self/fd/#{fd}") }
    end

    def deleted?(link)
      File.readlink(link).match?(%r{\A/tmp/.*\(deleted\)\z})
    rescue Errno::ENOENT
      false
    end
  end
end
