# frozen_string_literal: true

require_relative "eventually"

# Finds what a stopped server must not leave: processes, shared memory, memory files, temporary
# files. Made before the start; `remember` is called while the server runs, `problems` after its
# stop.
class LeakCheck
  # `folders`: those in which the server may make temporary files; no other program uses them.
  def initialize(*folders)
    @folders = folders
    @memory_files = {}
    @since = ProcessInfo.now
  end

  def remember(tree)
    tree.processes.each { |process| @memory_files.merge!(process.memory_files) }
  end

  # Returns a sentence for each thing that is left.
  def problems(tree, patience: Eventually::LIMIT)
    @patience = patience
    tree.look_again
    processes = wait_until_empty { tree.processes.map { |process| "process #{process}" } }
    processes + wait_until_empty { memory_file_holders } + wait_until_empty { files }
  end

  private

  def wait_until_empty(&block)
    left = []
    Eventually.eventually(within: @patience) { (left = block.call).empty? }
    left
  rescue Eventually::TooLate
    left
  end

  # To read which files a process has open takes long. Older processes than the server could get
  # its memory files only from the test.
  def memory_file_holders
    return [] if @memory_files.empty?

    younger = ProcessInfo.all.select { |one| one.started >= @since || one.pid == Process.pid }
    younger.flat_map do |process|
      held = process.memory_files.slice(*@memory_files.keys)
      held.values.map { |name| "#{name} held by process #{process}" }
    end
  end

  # Rack's upload files stay if an application is killed; the server does not make them.
  def files
    left = @folders.flat_map { |folder| Dir.glob("#{folder}/**/*") }
    left.reject { |path| File.basename(path).start_with?("RackMultipart") }
        .map { |path| "file #{path}" }
  end
end
