# frozen_string_literal: true

require_relative "eventually"

# Finds what a stopped server must not leave: processes, shared memory, memory files, temporary
# files. Made before the start; `remember` is called while the server runs, `problems` after its
# stop.
class LeakCheck
  # Folders of other programs, too: only files with a known name count there.
  SHARED_FOLDERS = %w[/tmp /var/tmp /dev/shm /run /dev/mqueue].freeze
  # Unit tests and Ruby tests, which may run at the same time, use these names, too.
  OURS = /passenger(?!-unit|-test)/i.freeze

  def initialize(temporary_folder)
    @temporary_folder = temporary_folder
    @before = shared_files
    @memory_files = {}
  end

  def remember(tree)
    tree.processes.each { |process| @memory_files.merge!(process.memory_files) }
  end

  # Returns a sentence for each thing that is left.
  def problems(tree, patience: Eventually::LIMIT)
    @patience = patience
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

  def memory_file_holders
    return [] if @memory_files.empty?

    ProcessInfo.all.flat_map do |process|
      held = process.memory_files.slice(*@memory_files.keys)
      held.values.map { |name| "#{name} held by process #{process}" }
    end
  end

  def files
    new_shared = (shared_files - @before).map { |path| "file #{path}" }
    # Rack's upload files stay if an application is killed; the server does not make them.
    private_ones = Dir.glob("#{@temporary_folder}/**/*").reject do |path|
      File.basename(path).start_with?("RackMultipart")
    end
    new_shared + private_ones.map { |path| "file #{path}" }
  end

  def shared_files
    SHARED_FOLDERS.flat_map do |folder|
      next [] unless File.directory?(folder)

      Dir.children(folder).grep(OURS).map { |name| File.join(folder, name) }
    end
  end
end
