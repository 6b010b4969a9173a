#!/usr/bin/env ruby
# frozen_string_literal: true

# Compares what a page of the documentation shows below its commands with what they printed:
#
#   test/package/compare_page.rb doc/MIGRATING.md LOG
#
# All blocks must be in the log, in the page's order. Versions, process ids and times may be others:
# any number of the page stands for any number. Where the page has a line break the log may have a
# blank. LOG has the outputs of all commands, without the commands (script/package makes it).

# Whatever the locale of the caller.
Encoding.default_external = Encoding::UTF_8

require_relative "../integration/support/documented_page"

# The text between two "..." of the page, as a pattern.
def pattern(text)
  words = text.split.map do |word|
    # Every second part is a number.
    word.split(/([\d.+~]*\d[\d.+~]*)/).each_slice(2).map do |letters, number|
      Regexp.escape(letters) + (number ? '[\w.+~-]*' : "")
    end.join
  end
  Regexp.new(words.join('\s+'))
end

abort "compare_page.rb wants a page and a log: doc/MIGRATING.md LOG" if ARGV.size != 2
name, log = ARGV
text = File.read(log, encoding: "UTF-8").scrub.delete("\r")
steps = DocumentedPage.new(name).steps.reject { |step| step.expected.to_s.strip.empty? }
abort "#{name}: no command has an output" if steps.empty?

position = 0
steps.each do |step|
  step.expected.split("...").map(&:strip).reject(&:empty?).each do |part|
    found = pattern(part).match(text, position)
    found || abort("#{name}:#{step.line}: #{step.text}: #{log} does not have, after the output " \
                   "of the commands before:\n#{part}")
    position = found.end(0)
  end
end
puts "#{name}: the outputs of #{steps.size} commands are in #{log}"
