# frozen_string_literal: true

require_relative "support/integration_test"
require_relative "support/unharmed"

# An application names descriptors of every kind as the file that its answer ends with. Its answers
# break, requests of another application are served meanwhile, and httpd keeps no descriptor.
class AttackAnswerFilesTest < IntegrationTest
  include Unharmed

  REASONS = {
    "socket" => /not a regular file/, "pipe" => /not a regular file/,
    "folder" => /not a regular file/, "device" => /not a regular file/,
    "path" => /not open for ordinary reading/, "written" => /not open for ordinary reading/,
    "beyond" => /fewer bytes/, "kernel" => /file system whose files are not taken/,
    "none" => /without exactly one descriptor/, "many" => /came with 253 descriptors/
  }.freeze
  # Times each.
  ATTACKS = 4

  serve do |made|
    made.set("PassengerAnswerFiles", "on")
    made.use_one_child
    made.site("attacker.test", SampleApps.copy("attack_app"), "PassengerMinInstances 1\n")
    made.site("named.test", SampleApps.copy("attack_app"))
    made.site("off.test", SampleApps.copy("attack_app"), "PassengerAnswerFiles off\n")
    made.site("other.test", SampleApps.copy("rack_app"), "PassengerMinInstances 1\n")
  end

  def setup
    %w[attacker.test other.test].each { |site| assert_status 200, client(site).get("/") }
  end

  def test_a_descriptor_that_is_no_file_to_read_breaks_the_answer_only
    before = descriptors
    assert_unharmed(client("other.test")) do
      REASONS.each_key { |kind| ATTACKS.times { assert_broken(kind) } }
    end
    eventually("the descriptors are closed") { descriptors <= before + REASONS.size }
    assert_status 200, client("attacker.test").get("/")
  end

  # For each application the log has only ten lines of a kind in ten seconds.
  def test_the_log_names_the_reason
    assert_operator REASONS.size, :<=, 10
    REASONS.each do |kind, reason|
      position = server.log.position
      assert_broken(kind, "named.test")
      server.log.wait_for(reason, from: position)
    end
  end

  def test_a_file_breaks_the_answer_where_the_configuration_takes_none
    position = server.log.position
    assert_broken("written", "off.test")
    server.log.wait_for(/a request that takes none/, from: position)
  end

  private

  # Of all processes of httpd.
  def descriptors
    server.tree.httpd_children.sum { |child| child.descriptors.size }
  end

  def assert_broken(kind, site = "attacker.test")
    raw = server.raw(site).request("GET", "/answer/#{kind}", "Connection" => "close")
    text = raw.read_to_end
    assert(text.start_with?("HTTP/1.1 502") || !text.end_with?("\r\n0\r\n\r\n"), kind)
  ensure
    raw&.close
  end
end
