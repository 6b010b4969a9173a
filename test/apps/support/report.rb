# frozen_string_literal: true

require_relative "installation"
require_relative "trial"

# The results of all applications: failures as they come, a table at the end.
class Report
  # `ours` and `theirs`: failures by check; nil if not tried. `skipped`: the reason, or nil.
  Row = Struct.new(:application, :versions, :ours, :theirs, :skipped, keyword_init: true) do
    def bad?
      !skipped && (ours.keys.any? { |check| check.gap.nil? } || worse.any?)
    end

    # The checks that fail here only, known gaps too.
    def worse
      theirs ? ours.keys - theirs.keys : []
    end
  end

  # `skips`: whether an application that is skipped, or is not compared, fails the run.
  def initialize(peer:, skips: false)
    @peer = peer
    @skips = skips
    @rows = []
  end

  def try(application)
    installation = Installation.new(application).ready
    row = Row.new(application: application, versions: installation.versions)
    row.ours = Trial.new(application, installation, peer: false).failures
    row.theirs = Trial.new(application, installation, peer: true).failures if @peer
    add(row)
  rescue Installation::Missing => e
    add(Row.new(application: application, versions: [], skipped: e.message))
  end

  def add(row)
    @rows << row
    row.skipped ? puts("#{row.application.title}: skipped: #{row.skipped}") : details(row)
  end

  def print
    puts "", "| application | versions | here | Phusion Passenger |", "|---|---|---|---|"
    @rows.each { |row| puts line(row) }
    puts "", "not tried: PEER=no, or no package libapache2-mod-passenger" unless @peer
    skipped = @rows.count(&:skipped)
    failed = @rows.count(&:bad?)
    worse = @rows.reject { |row| row.worse.empty? }.map { |row| row.application.title }
    puts "", "worse here than there: #{worse.join(', ')}" if worse.any?
    puts "", "#{@rows.size - skipped - failed} passed, #{failed} failed, #{skipped} skipped"
  end

  # No check fails here that is no known gap, and none that passes there.
  def success?
    @rows.none?(&:bad?) && !(@skips && (@rows.any?(&:skipped) || !@peer))
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
