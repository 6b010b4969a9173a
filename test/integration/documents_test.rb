# frozen_string_literal: true

require "minitest"

require_relative "support/disposable_machine"
require_relative "support/document_commands"
require_relative "support/documented_page"

# Each command of the pages for administrators is run: by this test, in a machine of its own, with
# the files that the page shows; or by another test, which DocumentCommands names.
class DocumentsTest < Minitest::Test
  DocumentCommands::PAGES.each do |name, needs|
    define_method("test_the_commands_of_#{name.downcase.tr('/.-', '_')}_work") do
      run_page(DocumentedPage.new(name), needs)
    end
  end

  def test_each_block_of_a_page_says_what_it_is
    DocumentCommands::PAGES.each_key do |name|
      lines = DocumentedPage.new(name).unnamed_blocks
      assert_empty lines, "#{name}: blocks without a language (sh, console, text, apache, …), lines"
    end
  end

  def test_each_command_in_the_text_is_run_somewhere
    run = all_steps.flat_map { |step| [step.text, step.text.delete_prefix("sudo ")] }
    DocumentCommands::PAGES.each_key do |name|
      left = DocumentedPage.new(name).mentioned_commands - run
      left.reject! { |command| DocumentCommands.elsewhere?(command) }
      assert_empty left, "#{name}: no test runs these commands: write them in a block, or name " \
                         "the test in DocumentCommands::ELSEWHERE"
    end
  end

  def test_the_tests_that_run_other_commands_do_so
    known = commands_of_all_pages
    DocumentCommands::ELSEWHERE.each do |command, (file, text)|
      assert_includes known, command, "no page has this command any more"
      lines = File.readlines(File.join(TestEnvironment::SOURCE_DIR, file)).grep_v(/\A\s*#/)
      assert_includes lines.join, text, "#{file} does not run: #{command}"
    end
    by_hand = DocumentCommands::BY_HAND
    count = DocumentCommands::ELSEWHERE.count { |_, (file)| by_hand.include?(file) }
    puts "", "not run: #{count} commands of packages, which #{by_hand.join(', ')} run"
  end

  # A Ruby of another version, as native_builder.rb sees it, with the headers of this one.
  OTHER_RUBY = <<~'SHELL'
    mkdir /opt/other
    echo 'require "rbconfig"; RbConfig::CONFIG["ruby_version"] = "9.9.0"' >/opt/other/version.rb
    printf '#!/bin/sh\nexec ruby -r /opt/other/version.rb "$@"\n' >/opt/other/ruby
    chmod 755 /opt/other/ruby
  SHELL

  def test_make_uninstall_leaves_nothing
    skip DisposableMachine.obstacle if DisposableMachine.obstacle
    installed = Dir.glob("**/*", base: DisposableMachine.staged).grep(/passenger/)
    assert_operator installed.size, :>, 100
    machine = DisposableMachine.new
    machine.prepare(DocumentCommands::ENTER_BUILD + "\n#{OTHER_RUBY}")
    machine.command("cd / && ls -d #{installed.first} && cd -")
    machine.command("passenger-config build-native-support --ruby /opt/other/ruby")
    machine.command("make --silent uninstall")
    machine.file("/root/installed", installed.map { |path| "/#{path}\n" }.join)
    machine.command("while read -r path; do ! ls -d \"$path\" 2>/dev/null; done </root/installed")
    results, text = machine.run
    assert_equal [0] * 4, results.map(&:status), text
    assert_match(%r{\ABuilt /usr/local/lib/mod_passenger/native/ruby-9\.9\.0-}, results[1].output)
    assert_equal "", results.last.output
  end

  def test_the_packages_that_pages_install_are_those_of_the_tests
    setup = File.read(File.join(TestEnvironment::SOURCE_DIR, DocumentCommands::SETUP))
    listed = setup.scan(/^(?:TEST_)?PACKAGES=\(\n(.*?)^\)/m).flatten.join.gsub(/#.*/, "").split
    commands_of_all_pages.each do |command|
      next if DocumentCommands::ELSEWHERE.key?(command)

      packages = command[DocumentCommands::INSTALLATION, 1].to_s.split
      assert_empty packages - listed, "script/setup does not install them: #{command}"
    end
  end

  private

  def commands_of_all_pages
    mentioned = DocumentCommands::PAGES.keys.flat_map do |name|
      DocumentedPage.new(name).mentioned_commands
    end
    all_steps.map(&:text) + mentioned
  end

  def all_steps
    DocumentCommands::PAGES.keys.flat_map { |name| DocumentedPage.new(name).steps }
      .select { |step| step.kind == :command }
  end

  def run_page(page, needs)
    leave_out(page, DisposableMachine.obstacle) if DisposableMachine.obstacle
    missing = needs.filter_map { |need| DocumentCommands.missing(need) }
    leave_out(page, "needs #{missing.join(', ')}") if missing.any?

    machine = DisposableMachine.new
    needs.each { |need| DocumentCommands.prepare(need, machine) }
    commands = add_steps(page, needs, machine)
    results, text = machine.run
    check_results(page, commands, results, text)
  end

  # A skipped test counts for little: script/run-tests repeats the line at its end. Minitest leaves
  # the line of its dots open.
  def leave_out(page, reason)
    puts "", "not run: the commands of #{page.name}: #{reason}"
    skip "#{page.name}: #{reason}"
  end

  # Returns the steps whose results come, in their order.
  def add_steps(page, needs, machine)
    steps = DocumentCommands.steps_of(page, needs)
    if steps.size < page.steps.size
      puts "", "not run: the commands of #{page.name} from line #{page.steps[steps.size].line}: " \
               "needs npm, and a network for it"
    end
    steps.select do |step|
      next if step.kind == :command && DocumentCommands.elsewhere?(step.text)

      step.kind == :file ? machine.file(step.path, step.text) : machine.command(step.text)
      step.kind == :command
    end
  end

  def check_results(page, commands, results, text)
    commands.zip(results).each do |step, result|
      place = "#{page.name}:#{step.line}: #{step.text}"
      refute_nil result, "#{place}: was not run\n#{text}"
      assert_equal 0, result.status, "#{place}\n#{text}"
      check_output(place, step.expected, result.output) unless step.expected.to_s.empty?
    end
  end

  def check_output(place, expected, output)
    pattern = expected.strip.split("...", -1).map { |part| Regexp.escape(part) }.join(".*")
    assert_match(/\A#{pattern}\Z/m, output.delete("\r").strip, place)
  end
end
