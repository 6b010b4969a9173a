# frozen_string_literal: true

begin
  begin
    require "fiddle"
  rescue LoadError
    # The spawn server has no RubyGems, and from Ruby 3.5 on Fiddle is a gem.
    require "rubygems"
    require "fiddle"
  end
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

    # A negative oom_score_adj(proc(5)) protects httpd, whose processes this one's are, from the
    # kernel when memory is short (OOMScoreAdjust= of its unit). Applications must not have that.
    def self.end_memory_protection(file = "/proc/self/oom_score_adj")
      File.write(file, "0") if File.read(file).to_i.negative?
    rescue SystemCallError
      nil # /proc is not mounted, or is another process's
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
