# frozen_string_literal: true

require_relative "environment"

# A page of the documentation as steps, in its order: files to write and commands to run.
#
# - A block ```sh has commands, one a line; a backslash at the end continues it.
# - A block ```console has commands behind "$ ", each followed by its output, where "..." stands for
#   anything.
# - A block in another language, ```text too, is a file, if the paragraph before it ends with a
#   colon and has a path in backticks, of which the last one counts. Else it is an example.
class DocumentedPage
  # `kind` is :file or :command. `text` is the file's content or the command, `expected` the output
  # that the page shows, or nil.
  Step = Struct.new(:kind, :line, :text, :path, :expected, keyword_init: true)
  Fence = Struct.new(:language, :line, :text, :before, keyword_init: true)

  # Words that begin a command in the text.
  COMMANDS = %w[a2dismod a2enmod apache2ctl apachectl apt-get bundle cap curl dpkg-buildpackage kill
                logrotate make mkdir npm npx nvm passenger-config passenger-memory-stats
                passenger-prefork passenger-status pip rails rm rpmbuild script/fresh
                script/package script/server script/setup script/test sudo systemctl
                touch].freeze

  attr_reader :name

  def initialize(name)
    @name = name
    @lines = File.readlines(File.join(TestEnvironment::SOURCE_DIR, name), chomp: true)
  end

  def steps
    fences.flat_map do |fence|
      case fence.language
      when "sh" then shell_steps(fence)
      when "console" then console_steps(fence)
      else [file_step(fence)].compact
      end
    end
  end

  # Numbers of lines with a block that does not say its language.
  def unnamed_blocks
    fences.select { |fence| fence.language.empty? }.map(&:line)
  end

  # Commands in the text, outside of blocks: code that begins with a command's name and has more
  # than it. Those with a "…" or a word in capitals are forms, no commands.
  def mentioned_commands
    spans = text_outside_of_blocks.scan(/(?<!`)`([^`]+)`(?!`)/).flatten
    spans.map { |span| span.tr("\n", " ") }.select do |span|
      COMMANDS.include?(span.split.first) && span.include?(" ") &&
        !span.match?(/…|(?<![-\w$=])[A-Z]{3,}(?![-\w])/)
    end.uniq
  end

  private

  def fences
    @fences ||= [].tap do |found|
      open = nil
      @lines.each_with_index do |line, index|
        if open.nil? && line.start_with?("```")
          open = Fence.new(language: line.delete_prefix("```"), line: index + 1, text: +"",
                           before: paragraph_before(index))
        elsif open && line == "```"
          found << open
          open = nil
        elsif open
          open.text << line << "\n"
        end
      end
    end
  end

  def paragraph_before(index)
    before = @lines[0...index].reverse.drop_while(&:empty?)
    before.take_while { |line| !line.empty? }.reverse.join("\n")
  end

  def text_outside_of_blocks
    @lines.join("\n").gsub(/^```.*?^```$/m, "")
  end

  def shell_steps(fence)
    commands = []
    continued = false
    fence.text.lines(chomp: true).each_with_index do |line, index|
      if continued
        commands.last.text << "\n" << line
      elsif !command_of(line).empty?
        commands << Step.new(kind: :command, line: fence.line + 1 + index, text: +command_of(line))
      end
      continued = line.end_with?("\\")
    end
    commands
  end

  # Without a comment.
  def command_of(line)
    line.sub(/(\A|\s+)#\s.*/, "")
  end

  def console_steps(fence)
    steps = []
    fence.text.lines(chomp: true).each_with_index do |line, index|
      if line.start_with?("$ ")
        steps << Step.new(kind: :command, line: fence.line + 1 + index, text: line[2..],
                          expected: +"")
      elsif steps.any?
        steps.last.expected << line << "\n"
      end
    end
    steps
  end

  def file_step(fence)
    path = fence.before.scan(%r{`(/[^`\s]+)`}).flatten.last
    return unless path && fence.before.end_with?(":")

    Step.new(kind: :file, line: fence.line, text: fence.text, path: path)
  end
end
