# frozen_string_literal: true

require "socket"

require_relative "support/integration_test"
require_relative "support/made_users"

# Applications that fail to start, each in a different way. Page and log name the step, the cause
# and the remedy.
class DiagnosisTest < IntegrationTest
  # Maps the site to the step, the exception or time-out, and words of cause and remedy.
  EXPECTED = {
    "ruby.test" => ["Bundler", /Your Ruby version is .*9\.9\.9/, /another version of Ruby/,
                    /PassengerRuby/],
    "gem.test" => ["Bundler", /no_such_gem/, /A gem is not installed/, /Run bundle install/],
    "old_lock.test" => ["Bundler", /Could not find rack-0\.0\.1/, /A gem is not installed/,
                        /bundle lock --local --update/],
    "port.test" => ["app loaded", /Errno::EADDRINUSE/, /another process uses it/, /ss -lptn/],
    "memory.test" => ["app loaded", /NoMemoryError/, /too little memory/, /raise the limit/],
    "hook.test" => ["starting hooks", /RuntimeError.*as ordered/m, /raised an exception/,
                    /backtrace/],
    "silent_hook.test" => ["handshake", /in `sleep'/, /waits for a resource/,
                           /PassengerStartTimeout/]
  }.freeze
  AS_ROOT = {
    "unreadable.test" => ["app loaded", /Errno::EACCES/, /has no permission for secrets\.yml/,
                          /chmod/],
    "no_lock.test" => ["Bundler", /Bundler::PermissionError/, %r{/Gemfile\.lock is missing or},
                       /bundle lock --local --update/],
    "profile.test" => ["shell environment loaded", /about to sleep/, /profile waits for something/,
                       /su -l USER/]
  }.freeze
  # A Gemfile.lock from before an upgrade that removed the gem's version.
  OLD_LOCK = {
    "Gemfile" => "source \"https://localhost\"\ngem \"rack\"\n",
    "Gemfile.lock" => "GEM\n  remote: https://localhost/\n  specs:\n    rack (0.0.1)\n\n" \
                      "PLATFORMS\n  ruby\n\nDEPENDENCIES\n  rack\n"
  }.freeze
  EMPTY = SampleApps.saying("it started after all")
  # Ruby itself needs some of these seconds, and the machine may be busy.
  IMPATIENT = "PassengerStartTimeout 8\n"

  serve do |made|
    @port = TCPServer.new("127.0.0.1", 0)
    failing(made, "ruby.test", EMPTY, files: { "Gemfile" => "ruby \"9.9.9\"\n" })
    failing(made, "gem.test", EMPTY, files: { "Gemfile" => "gem \"no_such_gem\"\n" })
    failing(made, "old_lock.test", EMPTY, files: OLD_LOCK)
    failing(made, "port.test",
            "require \"socket\"\nTCPServer.new(\"127.0.0.1\", #{@port.addr[1]})\n#{EMPTY}")
    failing(made, "memory.test", "\"x\" * (1 << 31)\n#{EMPTY}",
            "PassengerRuby #{ruby_with_little_memory}\n")
    failing(made, "hook.test", "PhusionPassenger.on_event(:starting_worker_process) { raise \"as " \
                               "ordered\" }\n#{EMPTY}")
    failing(made, "silent_hook.test",
            "PhusionPassenger.on_event(:starting_worker_process) { sleep }\n#{EMPTY}", IMPATIENT)
    for_root(made) if TestEnvironment.root?
  end

  class << self
    def failing(made, name, config_ru, directives = "", files: {}, owner: nil)
      folder = SampleApps.written(config_ru)
      files.each { |file, text| File.write(File.join(folder, file), text) }
      TestEnvironment.hand_over(folder, *owner)
      made.site(name, folder, "PassengerFriendlyErrorPages On\n#{directives}")
      folder
    end

    def for_root(made)
      folder = failing(made, "unreadable.test", "File.read(\"secrets.yml\")\n#{EMPTY}",
                       files: { "secrets.yml" => "" })
      File.chown(0, 0, File.join(folder, "secrets.yml"))
      File.chmod(0o600, File.join(folder, "secrets.yml"))
      folder = failing(made, "no_lock.test", EMPTY, files: OLD_LOCK.slice("Gemfile"))
      File.chown(0, 0, folder)
      user = MadeUsers["d"]
      File.write(File.join(user.home, ".profile"), "echo about to sleep; sleep 4714\n")
      failing(made, "profile.test", EMPTY, IMPATIENT, owner: user.name)
    end

    # A Ruby with an address space of two gigabytes.
    def ruby_with_little_memory
      path = File.join(SampleApps.new_folder, "ruby")
      File.write(path, "#!/bin/sh\nulimit -v 2000000\nexec #{RbConfig.ruby} \"$@\"\n")
      File.chmod(0o755, path)
      path
    end
  end

  def setup
    @position = server.log.position
  end

  (EXPECTED.to_a + AS_ROOT.to_a).each do |site, (step, message, cause, remedy)|
    define_method("test_#{site.delete_suffix('.test')}_is_told_with_its_step_cause_and_remedy") do
      needs_root("another user is concerned") if AS_ROOT.key?(site)
      # On a machine that stalls, an application may not reach its step in time.
      eventually("the page") do
        page = assert_status(500, client(site).get("/", "Accept" => "*/*")).body
        [/^Step: +#{step}$/, message, cause, remedy].each { |part| assert_match part, page }
      end
      server.log.wait_for(/report=\h+ Step: +#{step}$/, from: @position)
      eventually("the whole report") do
        [message, cause, remedy].each { |part| assert_match part, server.log.text(@position) }
      end
    end
  end
end
