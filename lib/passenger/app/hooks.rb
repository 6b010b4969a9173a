# frozen_string_literal: true

require_relative "../base/log"

# Applications use this name in their configuration.
module PhusionPassenger
  # The events of an application:
  #   starting_worker_process (forked)    in a new instance, before its first request
  #   after_installing_signal_handlers    in a new instance, after its signal handlers are set
  #   stopping_worker_process             in an instance, after its last request
  module Hooks
    NAMES = %i[starting_worker_process stopping_worker_process
               after_installing_signal_handlers].freeze

    @blocks = Hash.new { |blocks, name| blocks[name] = [] }

    def self.add(name, block)
      unless NAMES.include?(name)
        raise ArgumentError, "PhusionPassenger has no event #{name.inspect}"
      end
      raise ArgumentError, "PhusionPassenger.on_event needs a block" unless block

      @blocks[name] << block
    end

    def self.call(name, *arguments)
      @blocks[name].each { |block| block.call(*arguments) }
    end

    # For the end of an instance. Calls each block even if an earlier one raises; exceptions are
    # logged.
    def self.call_all(name)
      @blocks[name].each do |block|
        block.call
      rescue Exception => e # rubocop:disable Lint/RescueException
        Log.exception("hook.failed", e, hook: name) unless e.is_a?(SystemExit)
      end
    end
  end

  def self.on_event(name, &block)
    Hooks.add(name, block)
  end

end
