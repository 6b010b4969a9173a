# frozen_string_literal: true

require "open3"
require_relative "test_helper"

module PhusionPassenger
  # Native code against the Ruby that it stands in for. The tests of what uses it run with and
  # without it; here is what they cannot see.
  class NativeTest < TestCase
    def setup
      super
      skip "there is no native code" unless Native::LOADED
      @group = closing(Peers::Group.new)
    end

    def test_native_code_makes_the_same_environment_as_ruby
      100.times do
        pairs = Array.new(rand(1..100)) do |index|
          ["NAME_#{index}#{'x' * rand(90)}", Random.bytes(rand(40)).delete("\0")]
        end
        head = pairs.flatten.map { |text| "#{text}\0".b }.join
        assert_equal Hash[*pairs.flatten.map(&:b), "rack.x", 1],
                     Native.environment(head, ["rack.x", 1])
      end
    end

    def test_names_are_kept_and_values_are_the_applications_own
      first, second = Array.new(2) { Native.environment("REQUEST_METHOD\0GET\0", []) }
      assert_same first.keys[0], second.keys[0]
      first["REQUEST_METHOD"] << "!"
      assert_equal "GET", second["REQUEST_METHOD"]
      assert_equal Encoding::BINARY, second["REQUEST_METHOD"].encoding
    end

    def test_thousands_of_different_names_are_understood
      3000.times do |index|
        assert_equal({ "HTTP_#{index}" => "v" }, Native.environment("HTTP_#{index}\0v\0", []))
      end
      GC.start
      assert_equal({ "HTTP_1" => "v", "HTTP_2999" => "w" },
                   Native.environment("HTTP_1\0v\0HTTP_2999\0w\0", []))
    end

    def test_a_head_that_is_no_list_of_pairs_is_left_to_ruby
      ["", "A", "A\0", "A\0b", "A\0b\0C\0", "\0", "A\0b\0" * 300].each do |head|
        assert_nil Native.environment(head, [])
      end
      assert_raises(TypeError) { Native.environment(nil, []) }
    end

    def test_a_head_is_made_of_known_names_and_single_lines_only
      names = { "a" => "a: ", "B" => "B: " }
      assert_equal "a: 1\r\nB: \xFC\r\n".b, Native.head({ "a" => "1", "B" => "\xFC".b }, names)
      assert_equal "", Native.head({}, names)
      [{ "c" => "1" }, { "a" => "1\n2" }, { "a" => "1\r" }, { "a" => "\0" }, { "a" => ["1"] },
       { "a" => 1 }, { a: "1" },
       { "a" => "x" * 2048 }, { "a" => "x" * 2044 }, [%w[a 1]],
       nil].each { |headers| assert_nil Native.head(headers, names) }
      assert_equal 2048, Native.head({ "a" => "x" * 2043 }, names).bytesize
    end

    def test_headers_and_values_with_overridden_methods_are_left_to_ruby
      headers = Class.new(Hash) { def each = super { |name, value| yield name, value.upcase } }
      value = Class.new(String) { def to_s = upcase }
      [headers.new.update("a" => "x"), { "a" => value.new("x") }]
        .each { |each| assert_nil Native.head(each, { "a" => "a: " }) }
      assert_equal "a: 1\r\n", Native.head(Class.new(Hash).new.update("a" => "1"), { "a" => "a: " })
    end

    def test_a_message_replaces_what_is_in_the_buffer
      sender, receiver = seqpacket_pair
      buffer = +"something that was here before"
      refute Native.receive(receiver, buffer, 100)
      sender.send("hello", 0)
      assert Native.receive(receiver, buffer, 100)
      assert_equal "hello", buffer
      sender.send("x" * 200, 0)
      assert Native.receive(receiver, buffer, 100)
      assert_equal 100, buffer.bytesize
    end

    def test_receive_and_transmit_never_wait_and_leave_the_end_to_ruby
      sender, receiver = seqpacket_pair
      buffer = +""
      refute Native.receive(receiver, buffer, 100)
      filler = "x" * 60_000
      10_000.times { break unless Native.transmit(sender, filler, "", "") }
      refute Native.transmit(sender, filler, "", "")
      sender.close
      nil while Native.receive(receiver, buffer, 65_536)
      assert_raises(EOFError) { receiver.sysread(1) }
      receiver.close
      assert_raises(IOError) { Native.receive(receiver, buffer, 100) }
    end

    def test_an_object_that_is_no_io_is_refused
      [nil, "text", 7].each { |thing| assert_raises(TypeError) { Native.receive(thing, +"", 100) } }
    end

    def test_files_that_are_too_short_and_places_that_are_no_cells_are_refused
      short = closing(Tempfile.new)
      assert_raises(ArgumentError) { Native::Claim.new(short, @group.withdrawals, 64) }
      assert_raises(ArgumentError) { Native::Claim.new(@group.claims, short, 64) }
      assert_raises(ArgumentError) { Native::Claim.new(@group.claims, @group.withdrawals, 65) }
      assert_raises(ArgumentError) { Native::Claim.new(@group.claims, @group.withdrawals, 1 << 40) }
      assert_raises(RangeError) { Native::Claim.new(@group.claims, @group.withdrawals, 1 << 80) }
    end

    def test_a_message_that_is_too_short_for_a_request_is_not_claimed
      claim = Native::Claim.new(@group.claims, @group.withdrawals, 64)
      assert_raises(ArgumentError) { claim.take("x" * 23) }
      assert_raises(TypeError) { claim.take(nil) }
      assert_equal [0, 0], @group.claim(0)
    end

    def test_the_layout_of_the_native_code_is_that_of_the_library
      source = NativeBuilder::SOURCES.map { |file| File.read(file) }.join
      { CHANNEL_OFFSET: Layout::Request::CHANNEL_OFFSET, CELL_LENGTH: Layout::Claims::CELL_LENGTH,
        CELL_ANSWERED: Layout::Claims::ANSWERED_OFFSET,
        MARKS_OFFSET: Layout::Withdrawals::TICKETS_OFFSET,
        MARKS: Layout::Withdrawals::SLOTS }.each do |name, value|
        assert_match(/\b#{name} = #{value}\b/, source)
      end
    end
  end

  # Building it.
  class NativeBuilderTest < TestCase
    PROGRAM = "require #{File.join(LIBRARY, 'base/native').dump}; print " \
              "PhusionPassenger::Native::LOADED"
    private_constant :PROGRAM

    # dpkg gives files the dates of the archive, which may be older than a build of the version
    # before.
    def test_code_of_other_sources_is_built_again_whatever_their_dates
      skip "there is no native code" unless Native::LOADED
      Dir.mktmpdir do |folder|
        build = -> { NativeBuilder.new(folder).build.to_s[/\w+/] }
        assert_equal ["Built", nil], [build.call, build.call]
        built = Dir["#{folder}/*/*.so"].first
        bytes = File.binread(built)
        File.binwrite(built, bytes.sub(NativeBuilder.sources_digest, "0" * 64))
        assert_equal ["Built", nil], [build.call, build.call]
        assert_equal bytes.size, File.size(built)
      end
    end

    def test_code_of_another_version_is_not_used_and_the_log_says_so
      skip "there is no native code" unless Native::LOADED
      Dir.mktmpdir do |folder|
        library = File.join(folder, "base/native.rb")
        FileUtils.cp_r(File.join(LIBRARY, "base"), folder)
        File.write(library, File.read(library).sub(/VERSION = \d+/, "VERSION = 999"))
        NativeBuilder.new(folder).build
        program = "require #{library.dump}; print PhusionPassenger::Native::LOADED"
        text, = Open3.capture2e({ "PASSENGER_NATIVE" => folder }, RbConfig.ruby, "-e", program)
        assert_match(/\Aevent=native.other_version file="#{folder}.*" version=5 wanted=999\n/, text)
        assert text.end_with?("false"), text
      end
    end

    def test_a_failed_build_gives_its_reason_in_one_line
      before = ENV.fetch("CC", nil)
      ENV["CC"] = "/nonexistent/cc"
      Dir.mktmpdir do |folder|
        assert_match(%r{\AWithout native code for .*: the C compiler /nonexistent/cc is missing },
                     NativeBuilder.new(folder).build)
        assert_empty Dir.children(folder)
      end
    ensure
      ENV["CC"] = before
    end

    def test_a_file_that_is_no_library_is_not_used
      Dir.mktmpdir do |folder|
        FileUtils.mkdir_p(File.join(folder, Native.folder_name))
        File.write(File.join(folder, Native.folder_name, "passenger_native.so"), "no library")
        assert_equal "false", IO.popen([{ "PASSENGER_NATIVE" => folder }, RbConfig.ruby, "-e",
                                        PROGRAM], &:read)
      end
    end
  end
end
