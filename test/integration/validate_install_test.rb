# frozen_string_literal: true

require "json"
require "open3"

require_relative "support/command_runner"
require_relative "support/integration_test"

# passenger-config validate-install finds the applications of httpd's configuration. No server has
# to run: the one of these tests is asked for nothing, and its agent is not found.
class ValidateInstallTest < IntegrationTest
  include CommandRunner

  serve do |made|
    shop = SampleApps.written(SampleApps.saying("shop"))
    part = SampleApps.written(SampleApps.saying("part"))
    made.site("blog.test", SampleApps.written(SampleApps.saying("blog")), <<~CONF)
      PassengerBaseURI /shop
      <Location /shop>
        PassengerAppRoot #{shop}
      </Location>
      <Location /part>
        PassengerAppRoot #{part}
      </Location>
      <LocationMatch ^/any/>
        PassengerMinInstances 1
      </LocationMatch>
    CONF
    # The same application on another port, as with TLS.
    made.site("again.test", made.sites.last.root, "")
    made.site("node.test", SampleApps.written("", "app.js"), "PassengerNodejs /opt/missing/node\n")
    made.site("static.test", SampleApps.written("", "nothing.txt"), "")
    # httpd answers the top itself.
    page = SampleApps.written(SampleApps.saying("page"))
    File.write(File.join(page, "public/index.html"), "page")
    made.site("page.test", page, "")
    made.site("redirected.test", SampleApps.written(SampleApps.saying("redirected")),
              "RedirectMatch ^/$ /login\n")
    made.site("forbidden.test", SampleApps.written("", "nothing.txt"), "Redirect 403 /\n")
    made.site("unknown.test", SampleApps.written("{}", "package.json"), "")
    made.site("gone.test", SampleApps.written("", "nothing.txt"),
              "PassengerAppRoot /var/empty/missing\n")
    hidden = SampleApps.written(SampleApps.saying("hidden"))
    FileUtils.rm_r(File.join(hidden, "public"))
    made.site("hidden.test", hidden, <<~CONF)
      <Directory "#{hidden}">
        Require all denied
      </Directory>
      <Directory "#{hidden}/public">
        Require all granted
      </Directory>
    CONF
    made.site("closed.test", SampleApps.written(SampleApps.saying("closed")), "")
  end

  def test_each_application_of_the_configuration_is_looked_at
    findings = validate
    texts = subject(findings, root("blog")).map { |one| one["text"] }
    assert_includes texts, "startup file #{root('blog')}/config.ru"
    assert_equal texts.uniq, texts
    %w[shop part].each do |path|
      folder = File.read(configuration_file)[%r{<Location /#{path}>\s+PassengerAppRoot (\S+)}, 1]
      refute_empty subject(findings, folder), path
    end
    assert_includes subject(findings, root("node")).map { |one| one["text"] },
                    "its interpreter /opt/missing/node No such file or directory"
    gone = subject(findings, "/var/empty/missing").first
    assert_equal ["error", "its folder /var/empty/missing does not exist"],
                 gone.values_at("level", "text")
    loads = findings.find { |one| one["subject"] == "httpd's configuration" }
    assert_match(/\Aloads mod_passenger, and has 9 applications\z/, loads["text"])
    assert_empty(findings.select { |one| one["subject"].include?("forbidden.test") })
    %w[page redirected].each { |name| refute_empty subject(findings, root(name)), name }
  end

  def test_a_document_root_that_does_not_exist_is_a_warning
    assert_status 403, client("hidden.test").get("/")
    folder = File.join(root("hidden"), "public")
    found = validate.find { |one| one["text"].include?("DocumentRoot #{folder} does not exist") }
    assert_equal ["warning", "mkdir #{folder}"], found.values_at("level", "remedy")
    Dir.mkdir(folder)
    assert_status 200, client("hidden.test").get("/")
  end

  def test_a_folder_that_only_seems_to_be_an_application_is_a_warning
    findings = validate
    warning = findings.find { |one| one["subject"] == "http://unknown.test:#{server.port}/" }
    assert_equal "warning", warning["level"]
    assert_match(/package\.json/, warning["text"])
    assert_empty(findings.select { |one| one["subject"].include?("static.test") })
  end

  def test_a_folder_that_httpds_user_may_not_enter_is_named_with_the_remedy
    needs_root "httpd's children have another user"
    File.chmod(0o700, root("closed"))
    File.chown(0, 0, root("closed"))
    closed = validate.find { |one| one["subject"] == "http://closed.test:#{server.port}/" }
    assert_equal ["error", "chmod o+x #{root('closed')}"], closed.values_at("level", "remedy")
    File.chmod(0o711, root("closed"))
    assert_empty(validate.select { |one| one["subject"].include?("closed.test") })
  ensure
    TestEnvironment.hand_over(root("closed")) if TestEnvironment.root?
  end

  def test_the_user_who_is_used_instead_of_root_is_a_warning
    needs_root "the owner of files counts"
    File.chown(0, 0, File.join(root("blog"), "config.ru"))
    warning = subject(validate, root("blog")).find { |one| one["level"] == "warning" }
    assert_match(/the owner of \S+config.ru is root/, warning["text"])
    assert_match(/\Achown .*config.ru, or PassengerUser\z/, warning["remedy"])
    assert_empty(warnings_with("PassengerUserSwitching off"))
    assert_equal ["correct PassengerUser"],
                 warnings_with("PassengerUser no-such-user").map { |one| one["remedy"] }
  ensure
    TestEnvironment.hand_over(root("blog")) if TestEnvironment.root?
  end

  def test_a_broken_configuration_is_an_error_with_httpds_line
    broken = File.join(scratch, "broken.conf")
    File.write(broken, "#{File.read(configuration_file)}\nPassengerMinInstances many\n")
    finding = validate(broken).find { |one| one["subject"] == "httpd's configuration" }
    assert_equal "error", finding["level"]
    assert_match(/\A\S+ -t -f #{broken}\z/, finding["remedy"])
    without = File.join(scratch, "without.conf")
    File.write(without, File.read(configuration_file)
                            .gsub(/^ *(LoadModule passenger|Passenger).*$/, ""))
    finding = validate(without).find { |one| one["subject"] == "httpd's configuration" }
    assert_equal ["error", "does not load mod_passenger"], finding.values_at("level", "text")
  end

  # With mod_ssl. A client's request for the second site comes over TLS.
  def test_a_virtual_host_is_asked_over_tls_if_it_has_tls
    rules = "RewriteEngine On\nRewriteCond %{HTTPS} off\n" \
            "RewriteRule ^ https://%{HTTP_HOST}%{REQUEST_URI} [R=301,L]\n"
    made = configuration do |one|
      one.tls_port = UnusedPort.find
      one.site("plain.test", SampleApps.written("{}", "package.json"))
      one.site("tls.test", SampleApps.written(SampleApps.saying("tls")), rules, tls: true)
      one.site("only.test", SampleApps.written("{}", "package.json"),
               rules + "<If \"%{HTTPS} != 'on'\">\n  PassengerEnabled off\n</If>\n", tls: true)
      one.site("away.test", SampleApps.written(SampleApps.saying("away")), rules)
    end
    with_server(made) do |own|
      findings = validate(File.join(own.folder, "httpd.conf"))
      refute_empty subject(findings, made.sites[1].root)
      assert_empty subject(findings, made.sites[3].root)
      subjects = findings.map { |one| one["subject"] }
      assert_includes subjects, "http://plain.test:#{own.port}/"
      assert_includes subjects, "https://only.test:#{made.tls_port}/"
      { " https" => true, "\nProtocol https" => true, " http" => false }.each do |protocol, tls|
        assert_equal tls, tls_with?(own, protocol), protocol
      end
      # As in httpd: the first address decides, and TLS needs a certificate.
      refute(tls_with?(own, " https") { |text| text.gsub!("SSLCertificateFile", "#") })
      host = /^<VirtualHost (?=.*:#{made.tls_port}>)/
      refute(tls_with?(own, " https") { |text| text.gsub!(host, "\\0127.0.0.1:#{own.port} ") })
    end
  end

  # What they print looks like lines of the report, and like commands of the terminal.
  def test_a_program_that_prints_several_lines_has_one_line_of_the_report
    forged = "\\033[2K * Linux: ok: forged"
    %w[ruby node python3].each do |name|
      says = "#!/bin/sh\nprintf 'version of #{name}\\r#{forged}\\n#{forged}\\n'\n"
      File.write(File.join(scratch, name), says, perm: 0o755)
    end
    environment["PATH"] = "#{scratch}:#{ENV.fetch('PATH')}"
    report, = command(CONFIG, "validate-install", "--no-validate-apache2",
                      "--registry-dir", scratch)
    refute_match(/[^\n[:print:]]/, report)
    assert_empty report.lines.grep(/\A \* Linux: ok: forged/)
    assert_equal(1, report.lines.count { |line| line.start_with?(" * Linux: ") })
    { "Ruby" => "ruby", "Node" => "node", "Python" => "python3" }.each do |subject, name|
      assert_match(%r{^ \* #{subject}: ok: #{scratch}/#{name}: version of #{name}.*forged$}, report)
    end
  end

  private

  def environment
    @environment ||= super
  end

  def configuration_file
    File.join(server.folder, "httpd.conf")
  end

  def validate(configuration = configuration_file)
    output, = command(CONFIG, "validate-install", "--json", "--httpd", TestEnvironment.httpd,
                      "--config", configuration, "--registry-dir", scratch)
    JSON.parse(output)
  end

  # The warnings about the application at blog.test.
  def warnings_with(directive)
    file = File.join(scratch, "with.conf")
    File.write(file, "#{File.read(configuration_file)}\n#{directive}\n")
    subject(validate(file), root("blog")).select { |one| one["level"] == "warning" }
  end

  # Whether only.test is asked over TLS without an SSLEngine. `protocol` is text after its Listen.
  # The block may change the configuration.
  def tls_with?(own, protocol)
    text = File.read(File.join(own.folder, "httpd.conf")).gsub("SSLEngine on", "")
    yield text if block_given?
    file = File.join(scratch, "listen.conf")
    File.write(file, text.sub(/^Listen .*:#{own.configuration.tls_port}$/, "\\0#{protocol}"))
    asked = validate(file).map { |one| one["subject"] }
    assert_includes asked, "http://plain.test:#{own.port}/"
    asked.any? { |subject| subject.start_with?("https://only.test:") }
  end

  def subject(findings, folder)
    findings.select { |one| one["subject"].start_with?("application #{folder} (") }
  end
end
