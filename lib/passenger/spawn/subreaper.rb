# frozen_string_literal: true

begin
  require "fiddle"
rescue LoadError
  nil # a Ruby without Fiddle
end

module PhusionPassenger
  # Makes this process, not init, the parent of all orphans among its descendants.
  module Subreaper
    PR_SET_CHILD_SUBREAPER = 36

    # Returns false if this Ruby has no Fiddle, or the kernel refuses.
    def self.become
      return false unless defined?(Fiddle::Function)

      arguments = [Fiddle::TYPE_INT, *[Fiddle::TYPE_LONG] * 4]
      prctl = Fiddle::Function.new(Fiddle.dlopen(nil)["prctl"], arguments, Fiddle::TYPE_INT)
      prctl.call(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0).zero?
    end
  end
end
