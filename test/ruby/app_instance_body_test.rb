# frozen_string_literal: true

require_relative "process_test_case"

module PhusionPassenger
  # An instance whose requests have their bodies in files.
  class AppInstanceBodyTest < ProcessTestCase
    BODY_IN_FILE = 9

    def setup
      super
      @instance = loaded("instance")
    end

    def test_a_body_for_which_an_instance_has_no_descriptor_is_answered_503
      group = serve(@instance)
      child = request(group, @instance, "/input", id: 1, flags: BODY_IN_FILE)
      eventually("the claim") { group.claim(0) == [1, 1] }
      use_up_descriptors(@instance)
      with_file("lost") { |file| child.send_body_file(1, file, 4) }
      assert_equal [503, "Service Unavailable"], in_time { child.answer }.values_at(0, 2)
      line = in_time { @instance.output.each_line.find { |one| one.include?("event=body") } }
      assert_match(/event=body.not_received .*remedy="a higher limit of open files"/, line)

      limit_files(@instance, 256)
      group.send(channel: 1, ticket: 2, flags: BODY_IN_FILE,
                 environment: Peers::ENVIRONMENT.merge("PATH_INFO" => "/input"))
      with_file("uploaded") { |file| child.send_body_file(2, file, 8) }
      assert_equal [200, "uploaded"], in_time { child.answer }.values_at(0, 2)
    end

    private

    def with_file(content)
      Tempfile.create do |file|
        file.write(content)
        file.rewind # flushes, too
        yield file
      end
    end
  end
end
