# frozen_string_literal: true

require_relative "installation"
require_relative "trial"

# The results of all applications: failures as they come, a table at the end.
class Report
  # `ours` and `theirs`: failures by check; nil if not tried. `skipped`: the reason, or nil.
  Row = Struct.new(:application, :versions, :ours, :theirs, :skipped, keyword_init: true) do
    def bad?
      !skipped && ours.keys.any? { |check| check.gap.nil? }
    end
  end

  def initialize(peer:)
    @peer = peer
    @rows = []
  end

  def try(application)
    installation = Installation.new(application).ready
    row = Row.new(application: application, versions: installation.versions)
    row.ours = Trial.new(application, installation, peer: false).failures
    row.theirs = Trial.new(application, installation, peer: true).failures if @peer
    @rows << row
    details(row)
  rescue Installation::Missing => e
    @rows << Row.new(application: application, versions: [], skipped: e.message)
    puts "#{application.title}: skipped: #{e.message}"
  end

  def print
    puts "", "| application | versions | here | Phusion Passenger |", "|---|---|---|---|"
    @rows.each { |row| puts line(row) }
    puts "", "not tried: PEER=no, or no package libapache2-mod-passenger" unless @peer
    skipped = @rows.count(&:skipped)
    failed = @rows.count(&:bad?)
    puts "", "#{@rows.size - skipped - failed} passed, #{failed} failed, #{skipped} skipped"
  end

  def success?
    @rows.none?(&:bad?)
  end

  private

  def line(row)
    cells = row.skipped ? %w[skipped skipped] : [count(row, row.ours), count(row, row.theirs)]
    "| #{[row.application.title, row.versions.join(', '), *cells].join(' | ')} |"
  end

  def count(row, failures)
    return "not tried" unless failures

    total = row.application.checks.size
    "#{[total - failures.size, 0].max} of #{total}"
  end

  def details(row)
    puts "#{row.application.title}: #{count(row, row.ours)} here, #{count(row, row.theirs)} there"
    { "here" => row.ours, "there" => row.theirs }.each do |where, failures|
      failures&.group_by(&:last)&.each do |failure, pairs|
        check = pairs.first.first
        known = " (known: #{check.gap})" if check.gap && where == "here"
        more = " and #{pairs.size - 1} more" if pairs.size > 1
        puts "  #{where}, #{check.sentence}#{more}#{known}: #{failure}"
      end
    end
    row.application.checks.each do |check|
      next if check.gap.nil? || row.ours.key?(check)

      puts "  here, #{check.sentence}: passes, so it is no gap any more"
    end
    $stdout.flush
  end
end
