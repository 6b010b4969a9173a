# frozen_string_literal: true

require 'etc'

module Bench
  # One reading of /proc: each process's parent and CPU time. The processes of a server are all
  # descendants of its keeper, which adopts daemons, so that none is missed.
  class ProcessTree
    Entry = Struct.new(:pid, :parent, :name, :state, :own_ticks, :reaped_ticks)

    TICKS_PER_SECOND = Etc.sysconf(Etc::SC_CLK_TCK).to_f

    def initialize
      @entries = {}
      Dir.children('/proc').each do |name|
        entry = name.match?(/\A\d+\z/) && read(name)
        @entries[entry.pid] = entry if entry
      end
      @children = @entries.values.group_by(&:parent)
    end

    # Live processes below root, without root and without zombies.
    def below(root)
      found = []
      pending = [root]
      until pending.empty?
        children = @children.fetch(pending.shift, [])
        found.concat(children)
        pending.concat(children.map(&:pid))
      end
      found.reject { |entry| entry.state == 'Z' }
    end

    # CPU time used below root since its start: that of live processes, and of dead ones that these
    # or root have reaped. Root's own time is left out.
    def cpu_seconds_below(root)
      ticks = @entries.key?(root) ? @entries[root].reaped_ticks : 0
      below(root).each { |entry| ticks += entry.own_ticks + entry.reaped_ticks }
      ticks / TICKS_PER_SECOND
    end

    private

    def read(pid)
      stat = File.read("/proc/#{pid}/stat")
      name_end = stat.rindex(')')
      name = stat[(stat.index('(') + 1)...name_end]
      state, parent, *rest = stat[(name_end + 2)..].split
      # The text after the parent begins with field 5; fields 14 to 17 are utime, stime, cutime and
      # cstime.
      user, system, reaped_user, reaped_system = rest[9, 4].map(&:to_i)
      Entry.new(pid.to_i, parent.to_i, name, state, user + system, reaped_user + reaped_system)
    rescue Errno::ENOENT, Errno::ESRCH
      nil # it ended meanwhile
    end
  end
end
