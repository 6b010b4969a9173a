# frozen_string_literal: true

require "minitest"
require_relative "environment"
require_relative "eventually"
require_relative "httpd_server"
require_relative "memory_sampler"
require_relative "pattern"
require_relative "sample_apps"

# A test class with one server for all its tests. The first test that needs the server starts it.
# The last test of each such class stops it and looks for what is left.
class IntegrationTest < Minitest::Test
  include Eventually

  STARTING = Mutex.new
  LAST = "test_zzz_nothing_is_left_behind_when_the_server_has_stopped"

  class << self
    attr_reader :setup_block

    # `serve { |configuration| … }` defines the class's server.
    def serve(&block)
      @setup_block = block
      define_method(LAST) do
        assert_nothing_left self.class.started? ? server.stop : []
      end
    end

    # Several threads of a test may call it.
    def server
      STARTING.synchronize do
        @server ||= begin
          configuration = HttpdConfiguration.new
          setup_block.call(configuration)
          HttpdServer.new(configuration).start
        end
      end
    end

    def started?
      !@server.nil?
    end

    # In random order, with the stop last.
    def runnable_methods
      methods = super
      last = methods.delete(LAST)
      last ? methods << last : methods
    end

    def run(reporter, options = {})
      super
    ensure
      @server&.destroy(keep: @failed)
      @server = nil
    end

    def note_failure
      @failed = true
    end
  end

  def server
    self.class.server
  end

  def client(site = nil)
    server.client(*site)
  end

  # A server for one test; the test fails if the server leaves anything.
  def with_server(configuration)
    @own_server = HttpdServer.new(configuration)
    @own_server.start
    yield @own_server
    assert_nothing_left @own_server.stop
  end

  # `left` as HttpdServer#stop returns it.
  def assert_nothing_left(left)
    assert left.empty?, "left behind, #{left.size} in all:\n#{left.first(20).join("\n")}"
  end

  # A configuration for `with_server`. It has a bare Rack application unless the block adds sites.
  def configuration
    HttpdConfiguration.new.tap do |made|
      yield made if block_given?
      made.site("rack.test", SampleApps.rack) if made.sites.empty?
    end
  end

  def needs_root(why)
    skip "needs root: #{why}" unless TestEnvironment.root?
  end

  def assert_status(expected, response)
    code = response.respond_to?(:code) ? response.code.to_i : response.status
    assert_includes Array(expected), code, response.body.to_s[0, 500]
    response
  end

  # A folder for a test's FIFOs and files. Applications may write to it.
  def scratch
    @scratch ||= TestEnvironment.hand_over(SampleApps.new_folder)
  end

  # Checks that the block takes less than `limit` seconds, and returns its duration. A slow block is
  # called again: a stall of the machine is no fault of the tested code.
  def assert_seconds_below(limit, what = "it", tries: 5)
    times = []
    times << yield until times.size == tries || times.any? { |seconds| seconds < limit }
    took = times.map { |seconds| seconds.round(2) }.join(', ')
    assert times.any? { |seconds| seconds < limit },
           "#{what} took #{took} s, not less than #{limit} s"
  end

  # The shortest of several silences (SteadyLoad#longest) counts, for the same reason.
  def assert_silence_below(limit, silences, what)
    puts "\nThe longest requests over #{what}: #{silences.map { |one| one.round(2) }.join(', ')} s"
    assert_operator silences.min, :<, limit, what
  end

  # Returns how many seconds the block takes.
  def seconds
    before = monotonic
    yield
    monotonic - before
  end

  # A FIFO that the test holds open, so that bytes written into it wait for its reader.
  def fifo(name = "fifo")
    path = File.join(scratch, name)
    File.mkfifo(path, 0o666)
    TestEnvironment.hand_over(path)
    (@fifos ||= {})[path] = File.open(path, "r+")
    path
  end

  # Lets an application that waits on the FIFO continue.
  def release(path, line = "go")
    @fifos.fetch(path).syswrite("#{line}\n")
  end

  # The last test needs no setup and no teardown.
  def run
    %i[setup teardown].each { |hook| define_singleton_method(hook) {} } if name == LAST
    super
  end

  def before_setup
    super
    @log_position = self.class.started? ? server.log.position : 0
  end

  def after_teardown
    super
    used = @own_server || (self.class.server if self.class.setup_block && self.class.started?)
    if used && !passed? && !skipped?
      self.class.note_failure
      warn "#{self.class}##{name} failed; the server was in #{used.folder}\n" \
           "#{used.tail(@own_server ? 0 : @log_position)}"
    end
    @own_server&.destroy(keep: !passed? && !skipped?)
    @fifos&.each_value(&:close)
  end
end
