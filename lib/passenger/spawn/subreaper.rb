# frozen_string_literal: true

begin
  require "fiddle"
rescue LoadError
  nil # a Ruby without it
end

module PhusionPassenger
  # Makes this process the parent of all orphans among its descendants, instead of init.
  module Subreaper
    PR_SET_CHILD_SUBREAPER = 36

    # False: this Ruby cannot.
    def self.become
      return false unless defined?(Fiddle::Function)

      arguments = [Fiddle::TYPE_INT, *[Fiddle::TYPE_LONG] * 4]
      prctl = Fiddle::Function.new(Fiddle.dlopen(nil)["prctl"], arguments, Fiddle::TYPE_INT)
      prctl.call(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0).zero?
    end
  end
end
