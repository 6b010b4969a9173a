# frozen_string_literal: true

require_relative "../eventually"

# What the processes of an idle server hold, by kind: the number of processes, and the most
# descriptors and memory files of one of them.
class Inventory
  KINDS = {
    httpd: %r{\A\S*/(apache2|httpd)\b}, anchor: /passenger-agent\S* anchor/,
    watchdog: /passenger-agent\S* watchdog/,
    pool: /passenger-agent\S* pool/, rights: /passenger-agent\S* rights/,
    spawn_server: /Passenger spawn server/, preloader: /Passenger AppPreloader/,
    instance: /Passenger RubyApp/
  }.freeze

  # Kinds that are started again only on demand.
  ON_DEMAND = %i[spawn_server preloader].freeze

  Count = Struct.new(:processes, :descriptors, :memory_files)

  attr_reader :counts

  # Waits until the inventory stays the same for a while.
  def self.of(tree)
    last = nil
    Eventually.eventually("an inventory that stays the same", within: 60, every: 0.5) do
      inventory = new(tree)
      same = inventory.counts == last
      last = inventory.counts
      same && inventory
    end
  end

  def initialize(tree)
    @counts = tree.descending.group_by { |process| kind(process) }.transform_values do |some|
      Count.new(some.size, some.map { |process| process.descriptors.size }.max,
                some.map { |process| process.memory_files.size }.max)
    end
  end

  # Sentences about each number that differs from before. `growth`: descriptors by which one process
  # of a kind may grow. `memory_files`: how many of these may be more memory files. `fewer`: kinds
  # that may have fewer processes.
  def problems(before, growth, memory_files: {}, fewer: ON_DEMAND)
    (counts.keys | before.counts.keys).flat_map do |kind|
      was = before.counts.fetch(kind, Count.new(0, 0, 0))
      is = counts.fetch(kind, Count.new(0, 0, 0))
      next if (is.processes == was.processes ||
               (fewer.include?(kind) && is.processes < was.processes)) &&
              is.memory_files <= was.memory_files + memory_files.fetch(kind, 0) &&
              is.descriptors <= was.descriptors + growth.fetch(kind, 0)

      ["#{kind}: #{is.to_h}, before #{was.to_h}"]
    end.compact
  end

  private

  def kind(process)
    KINDS.each { |name, pattern| return name if process.command_line.match?(pattern) }
    process.command_line
  end
end
