# frozen_string_literal: true

require_relative "log"

# Applications use this name in their configuration. Its methods are those of Phusion Passenger's
# API for Ruby, as those of api.rb; doc/COMPATIBILITY.md says what each does.
module PhusionPassenger
  # The events of an application:
  #   starting_worker_process (forked)    in a new instance, before its first request
  #   after_installing_signal_handlers    in a new instance, after its signal handlers are set
  #   starting_request_handler_thread     in each thread that handles requests, before its first
  #   oob_work                            after an answer with a header of OOB_WORK_HEADERS, in its
  #                                       thread, before the thread's next request
  #   stopping_worker_process             in an instance, after its last request
  module Hooks
    NAMES = %i[starting_worker_process stopping_worker_process after_installing_signal_handlers
               starting_request_handler_thread oob_work].freeze
    # The names since Phusion Passenger 5 and before it, in small letters.
    OOB_WORK_HEADERS = %w[!~request-oob-work x-passenger-request-oob-work].freeze

    @blocks = Hash.new { |blocks, name| blocks[name] = [] }

    # Takes a block for any name: the application may call its own events.
    def self.add(name, block)
      raise ArgumentError, "PhusionPassenger.on_event needs a block" unless block

      Log.event("hook.unknown", hook: name) unless NAMES.include?(name)
      @blocks[name] << block
    end

    def self.any?(name)
      @blocks.key?(name)
    end

    def self.call(name, *arguments)
      @blocks[name].each { |block| block.call(*arguments) } if any?(name)
    end

    # Calls each block even if an earlier one raises; exceptions are logged.
    def self.call_all(name)
      return unless any?(name)

      @blocks[name].each do |block|
        block.call
      rescue Exception => e # rubocop:disable Lint/RescueException
        Log.exception("hook.failed", e, hook: name) unless e.is_a?(SystemExit)
      end
    end
  end

  class << self
    def on_event(name, &block)
      Hooks.add(name, block)
    end

    def call_event(name, *arguments)
      Hooks.call(name, *arguments)
    end
  end
end
