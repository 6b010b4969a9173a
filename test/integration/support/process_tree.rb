# frozen_string_literal: true

require "etc"
require_relative "process_info"

# All processes that one httpd has started. An orphan has lost its parent, and an application its
# environment, so they are found in four ways: by descent, by the marker in the environment, by open
# files and folders below the server's root, and by an earlier sighting.
#
# To read which files a process has open takes long, and tests ask again and again. So a process is
# not looked at if it is older than the server, or descends from one with another server's marker,
# or if it was not the server's when it was looked at, a second or more after its begin.
class ProcessTree
  MARKER = "PASSENGER_TEST_ID="
  # In hundredths of a second.
  SETTLED = 100
  RIGHTS = /passenger-agent\S* rights\z/.freeze

  # `since`: a time of ProcessInfo.now, before the folder was made.
  def initialize(parent_pid, marker, folder, since)
    @parent_pid = parent_pid
    @marker = marker
    @folder = folder
    @since = since
    @seen = {}
    @foreign = {}
    @looked_at = {}
  end

  # From now on each process is looked at again.
  def look_again
    @looked_at.clear
  end

  # Live processes, with httpd's parent.
  def processes
    everything = ProcessInfo.all.reject do |process|
      process.state == "Z" || process.pid == Process.pid
    end
    found = descendants(everything)
    note_foreign(everything - found)
    found |= everything.select { |process| ours?(process) }
    found -= connections(found)
    found.each { |process| @seen[process.identity] = true }
    found
  end

  # Processes found by descent alone, which is fast.
  def descending
    found = descendants(live)
    found - connections(found)
  end

  def pids
    processes.map(&:pid)
  end

  # Live processes without httpd's parent and children: agent, spawn server, preloaders, instances.
  def beside_httpd
    binary = httpd_binary
    processes.reject { |process| process.pid == @parent_pid || httpd?(process, binary) }
  end

  def httpd_children
    processes.select { |process| process.ppid == @parent_pid && httpd?(process, httpd_binary) }
  end

  # The spawn server of the sample applications' user. As root, PassengerDefaultUser has one, too.
  def spawn_servers
    default = Etc.getpwnam("nobody").uid
    matching(/\APassenger spawn server/).reject { |process| process.uid == default }
  end

  def matching(pattern)
    processes.select { |process| process.command_line.match?(pattern) }
  end

  # The process and its ancestors up to httpd's parent. Nil while there is a boot keeper, which ends
  # a moment after the boot, or if one has just ended.
  def line_of(pid)
    line = [ProcessInfo.read(pid)]
    line << ProcessInfo.read(line.last.ppid) until line.last.nil? || line.last.pid == @parent_pid
    passing = /\A(Passenger boot keeper|\z)/
    line unless line.last.nil? || line.any? { |each| each.command_line.match?(passing) }
  end

  # The processes that serve one connection of the pool process with the rights process. They come
  # and go.
  def rights_connections
    connections(descendants(live))
  end

  # The number of each process's descriptors by pid, to compare before and after.
  def descriptor_counts
    processes.to_h { |process| [process.pid, process.descriptors.size] }
  end

  private

  def live
    ProcessInfo.all.reject { |process| process.state == "Z" }
  end

  def connections(processes)
    rights = processes.select { |process| process.command_line.match?(RIGHTS) }
    rights.select { |process| rights.any? { |other| other.pid == process.ppid } }
  end

  def httpd_binary
    @httpd_binary ||= File.readlink("/proc/#{@parent_pid}/exe")
  rescue SystemCallError
    nil
  end

  def httpd?(process, binary)
    File.readlink("/proc/#{process.pid}/exe") == binary
  rescue SystemCallError
    false
  end

  def descendants(everything, ancestors = everything.select { |each| each.pid == @parent_pid })
    by_parent = everything.group_by(&:ppid)
    found = ancestors.dup
    found.each { |process| found.concat(by_parent.fetch(process.pid, [])) }
  end

  def ours?(process)
    return @seen[process.identity] unless new?(process)

    own = process.environment.include?(@marker) ||
          below?(process.directory) ||
          process.descriptors.each_value.any? { |target| below?(target) }
    @looked_at[process.identity] = ProcessInfo.now unless own
    own
  end

  # A process that may be the server's, and of which nothing is known.
  def new?(process)
    process.started >= @since && !@seen[process.identity] && !@foreign[process.identity] &&
      !known_stranger?(process)
  end

  # A program's environment and files may change within its first moments.
  def known_stranger?(process)
    looked_at = @looked_at[process.identity]
    looked_at && looked_at - process.started > SETTLED
  end

  # An application has lost the marker of its server, but not the agent above it.
  def note_foreign(processes)
    marked = processes.select do |process|
      @foreign[process.identity] ||
        (new?(process) && process.environment.any? { |each| each.start_with?(MARKER) } &&
         !process.environment.include?(@marker))
    end
    descendants(processes, marked).each do |process|
      @foreign[process.identity] = true unless @seen[process.identity]
    end
  end

  def below?(path)
    path.start_with?(@folder)
  end
end
