# frozen_string_literal: true

require "minitest/autorun"
require "rack"
require "stringio"
require "timeout"
require "tempfile"
require "tmpdir"
$LOAD_PATH.unshift(File.expand_path("../../lib", __dir__))
require "passenger/app/app_process"
require "passenger/instance/app_instance"
require "passenger/native_builder"
require_relative "peers"
require_relative "../integration/support/time_limit"

module PhusionPassenger
  # The base class of all tests. A test fails if it leaves a process, a thread or a descriptor
  # behind.
  class TestCase < Minitest::Test
    FIXTURES = File.expand_path("fixtures", __dir__)
    LIBRARY = File.expand_path("../../lib/passenger", __dir__)
    # Seconds. Only failing tests take this long.
    PATIENCE = 60

    def setup
      # Complaints of an earlier test must not silence this test's.
      Log.complaints = Log::Limit.new
      @open_before = descriptors
      @threads_before = Thread.list
      @closers = []
    end

    def teardown
      @closers.reverse_each(&:call)
      Log.app = nil
      assert_empty threads_left, "the test left threads"
      assert_raises(Errno::ECHILD, "the test left a process") do
        Process.waitpid(-1, Process::WNOHANG)
      end
      GC.start if descriptors.size > @open_before.size
      left = descriptors.reject { |number, target| @open_before[number] == target }
      assert_empty left, "the test left descriptors open"
    end

    # Closes the object at the end of the test.
    def closing(io)
      @closers << -> { io.close unless io.closed? }
      io
    end

    def seqpacket_pair
      Peers.pair(:SEQPACKET).each { |io| closing(io) }
    end

    def stream_pair
      Peers.pair(:STREAM).each { |io| closing(io) }
    end

    # Waits until the block returns a true value, which depends on another process or thread.
    def eventually(what = "it")
      Timeout.timeout(PATIENCE, nil, "#{what} did not happen") do
        until (result = yield)
          sleep 0.005
        end
        result
      end
    end

    def in_time(&block)
      Timeout.timeout(PATIENCE, nil, "nothing came", &block)
    end

    # No descriptor can be opened while the block runs.
    def without_room
      files = [File.open(File::NULL)]
      soft, hard = Process.getrlimit(:NOFILE)
      Process.setrlimit(:NOFILE, files[0].fileno + 10, hard)
      loop { files << File.open(File::NULL) }
    rescue Errno::EMFILE
      yield
    ensure
      Process.setrlimit(:NOFILE, soft, hard)
      files.each(&:close)
    end

    # Returns what the block writes to standard error.
    def logged
      before = $stderr
      $stderr = StringIO.new
      yield
      $stderr.string
    ensure
      $stderr = before
    end

    private

    # Newer versions of Ruby's Timeout keep a thread.
    def threads_left
      left = Thread.list - @threads_before
      left.reject { |thread| thread.name.to_s.include?("Timeout") || thread.join(PATIENCE) }
    end

    def descriptors
      Dir.children("/proc/self/fd").to_h { |number| [number, target_of(number)] }.compact
    end

    def target_of(number)
      target = File.readlink("/proc/self/fd/#{number}")
      target unless target.start_with?("/proc", "anon_inode")
    rescue Errno::ENOENT
      nil
    end
  end
end
