# frozen_string_literal: true

require_relative "test_helper"
require_relative "agent_peer"

module PhusionPassenger
  # For tests with real processes that a real spawn server starts.
  class ProcessTestCase < TestCase
    FINISH = 61

    def setup
      super
      @agent = closing(Peers::Agent.new)
      @tickets = Hash.new(0)
    end

    private

    def options(startup_file, more = {})
      { app_root: FIXTURES, app_group_name: "#{FIXTURES} (test)", environment: "test",
        startup_file: startup_file }.merge(more)
    end

    # Calls the block with a folder that has these files.
    def in_folder(files)
      Dir.mktmpdir("passenger-test") do |root|
        files.each { |name, content| File.write("#{root}/#{name}", content) }
        yield root
      end
    end

    # Returns a preloader or an instance, and the frames up to the result of its loading.
    def load(role, startup_file, more_options = {}, **start)
      answer, process = @agent.start(role, **start)
      assert_equal 34, answer.type, answer.fields.inspect
      hello = process.read
      assert_equal [48, [process.pid.to_s]], [hello.type, hello.fields]
      process.control.write(49, *options(startup_file, more_options).flatten)
      frames = []
      frames << process.read until frames.any? && [51, 52, nil].include?(frames.last&.type)
      [process, frames]
    end

    def loaded(role, startup_file = "probe.ru", more_options = {}, **start)
      process, frames = load(role, startup_file, more_options, **start)
      assert_equal 51, frames.last&.type, -> { process.output.read }
      process.booted
      process
    end

    def forked_from(preloader)
      answer, instance = @agent.fork_from(preloader)
      assert_equal [54, [instance.pid.to_s]], [answer.type, answer.fields]
      assert_equal [48, [instance.pid.to_s]],
                   instance.read.then { |frame| [frame.type, frame.fields] }
      instance
    end

    # The instance serves a new group; returns that group.
    def serve(instance, group: closing(Peers::Group.new), **fields)
      instance.control.write(55, *Peers.serve_fields(**fields),
                             descriptors: [group.receiver, group.claims, group.withdrawals])
      ready = instance.read
      assert_equal 56, ready&.type, -> { instance.output.read }
      group
    end

    def finish(instance)
      instance.control.write(FINISH)
    end

    # A new reply channel. The instance fetches it by its id.
    def new_channel(id)
      ours, theirs = seqpacket_pair
      [Peers::Child.new(ours), theirs, id]
    end

    # Sends a request on a new channel; returns the child.
    def request(group, instance, path, id:, **more)
      child, theirs, = new_channel(id)
      group.send(channel: id, ticket: 1, environment: Peers::ENVIRONMENT.merge("PATH_INFO" => path),
                 **more)
      fetch = instance.read
      assert_equal [57, [id.to_s]], [fetch&.type, fetch&.fields], -> { instance.output.read }
      instance.control.write(58, id, descriptors: [theirs])
      child
    end

    def get(group, instance, path)
      @channel = (@channel || 100) + 1
      in_time { request(group, instance, path, id: @channel).answer }[2]
    end

    # The target of each descriptor. The process may close some of them meanwhile.
    def descriptors_of(process)
      folder = "/proc/#{process.pid}/fd"
      Dir.children(folder).each_with_object({}) do |number, found|
        found[number.to_i] = File.readlink("#{folder}/#{number}")
      rescue Errno::ENOENT
        next
      end
    end

    # The process can open no more.
    def use_up_descriptors(process)
      taken = descriptors_of(process).keys
      limit_files(process, (0..).find { |number| !taken.include?(number) })
    end

    def limit_files(process, most)
      system("prlimit", "--pid", process.pid.to_s, "--nofile=#{most}:", exception: true)
    end

    # `found`: the targets of descriptors.
    def assert_no_socket(found)
      refute_match(/^socket:/, found)
    end

    # Returns the output of @instance so far.
    def read_some
      @instance.output.read_nonblock(10_000, exception: false).then do |text|
        text.is_a?(String) ? text : ""
      end
    end

    def output_of(process)
      in_time { process.output.read }
    end
  end
end
