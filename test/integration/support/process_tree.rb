# frozen_string_literal: true

require_relative "process_info"

# Every process that one httpd brought into the world, found in four ways, because an orphan has lost its parent and an
# application its environment: descent, the marker in the environment, open files and folders below the server's root,
# and having been seen here before.
class ProcessTree
  def initialize(parent_pid, marker, folder)
    @parent_pid = parent_pid
    @marker = marker
    @folder = folder
    @seen = {}
  end

  # Living processes, httpd's parent included.
  def processes
    everything = ProcessInfo.all.reject { |process| process.state == "Z" || process.pid == Process.pid }
    found = descendants(everything) | everything.select { |process| ours?(process) }
    found.each { |process| @seen[process.identity] = true }
    found
  end

  # Those found by descent alone, which is quick.
  def descending
    descendants(ProcessInfo.all.reject { |process| process.state == "Z" })
  end

  def pids
    processes.map(&:pid)
  end

  # Living processes without httpd's parent and children: agent, spawn server, preloaders, instances.
  def beside_httpd
    binary = httpd_binary
    processes.reject { |process| process.pid == @parent_pid || httpd?(process, binary) }
  end

  def httpd_children
    processes.select { |process| process.ppid == @parent_pid && httpd?(process, httpd_binary) }
  end

  def matching(pattern)
    processes.select { |process| process.command_line.match?(pattern) }
  end

  # Sum of what all the processes hold, by pid: for comparing before and after.
  def descriptor_counts
    processes.to_h { |process| [process.pid, process.descriptors.size] }
  end

  private

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

  def descendants(everything)
    by_parent = everything.group_by(&:ppid)
    found = everything.select { |process| process.pid == @parent_pid }
    found.each { |process| found.concat(by_parent.fetch(process.pid, [])) }
  end

  def ours?(process)
    @seen[process.identity] ||
      process.environment.include?(@marker) ||
      below?(process.directory) ||
      process.descriptors.each_value.any? { |target| below?(target) }
  end

  def below?(path)
    path.start_with?(@folder)
  end
end
