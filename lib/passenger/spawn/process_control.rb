# frozen_string_literal: true

begin
  require "fiddle"
rescue LoadError
  nil # a Ruby without Fiddle
end

module PhusionPassenger
  # What the kernel lets a process say about itself (prctl(2)). The methods return false if this
  # Ruby has no Fiddle, or the kernel refuses.
  module ProcessControl
    PR_SET_DUMPABLE = 4
    PR_SET_CHILD_SUBREAPER = 36

    # Makes this process, not init, the parent of all orphans among its descendants.
    def self.become_subreaper
      set(PR_SET_CHILD_SUBREAPER, 1)
    end

    # Other processes of this user can no longer trace this one, or read its memory.
    def self.close_to_others
      set(PR_SET_DUMPABLE, 0)
    end

    def self.set(option, value)
      return false unless defined?(Fiddle::Function)

      arguments = [Fiddle::TYPE_INT, *[Fiddle::TYPE_LONG] * 4]
      prctl = Fiddle::Function.new(Fiddle.dlopen(nil)["prctl"], arguments, Fiddle::TYPE_INT)
      prctl.call(option, value, 0, 0, 0).zero?
    end
    private_class_method :set
  end
end
