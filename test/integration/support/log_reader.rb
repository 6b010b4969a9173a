# frozen_string_literal: true

require_relative "eventually"

# Reads a log that others write: its text since a position, and waiting for a line.
class LogReader
  attr_reader :path

  def initialize(path)
    @path = path
  end

  def text(from = 0)
    return "" unless File.exist?(path)

    File.open(path, "rb") do |file|
      file.seek(from)
      file.read.force_encoding(Encoding::UTF_8).scrub
    end
  end

  # The present end of the log, for `text` and `wait_for`.
  def position
    File.exist?(path) ? File.size(path) : 0
  end

  def count(pattern, from = 0)
    text(from).scan(pattern).size
  end

  # Returns the first whole line since `from` that matches.
  def wait_for(pattern, from: 0, within: Eventually::LIMIT)
    Eventually.eventually("a line like #{pattern.inspect} in #{path}", within: within) do
      text(from).each_line.find { |line| line.end_with?("\n") && line.match?(pattern) }
    end
  end
end
