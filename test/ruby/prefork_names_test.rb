# frozen_string_literal: true

require_relative "test_helper"

module PhusionPassenger
  # The tables of doc/PREFORK-LIBRARY.md that map the names of POE's PreFork to the names here.
  class PreforkNamesTest < TestCase
    ROOT = File.expand_path("../..", __dir__)
    ATTRIBUTES = %w[server shutdown_on_error min_spare_servers max_spare_servers start_servers
                    max_clients timeout].freeze
    STATES = %w[_start _child _stop run_error shutdown server_closed server_stderr server_ack
                server_timeout_check forkoff server_fork].freeze
    METHODS = %w[create_states server_timeout server_timeout_busy server_timeout_free server_start
                 server_ack server_not_busy server_busy server_stdout server_stderr busy_servers
                 free_servers wheel_id_to_pid server_check_ack is_child].freeze
    OTHERS = %w[set_server get_server set_ATTRIB wheel last_ack starttime send_ack get_session
                resume_accept Shutdown() ID run StdoutEvent StderrEvent CloseEvent :all COMM_ACK
                COMM_BUSY COMM_NOT_BUSY POE::Class::Server::PreFork::TCP
                POE::Class::Server::PreFork::UNIX POE::Wheel::Run].freeze

    def rows
      text = File.read(File.join(ROOT, "doc/PREFORK-LIBRARY.md"))
      tables = text[/^## Attributes$.*(?=^## What a worker tells$)/m]
      tables.scan(/^\| (.+?) \| (.*?) \|/)
    end

    def test_each_name_of_poe_s_prefork_has_its_row
      theirs = rows.flat_map { |row| row[0].split(/[,\s]+|->/) }
      handlers = STATES.map { |state| "handler_#{state.delete_prefix('_')}" }
      assert_empty (ATTRIBUTES + STATES + handlers + METHODS + OTHERS).uniq - theirs
    end

    def test_each_name_of_ours_is_declared
      headers = Dir.glob(File.join(ROOT, "ext/common/prefork/*.h")).map { |file| File.read(file) }
        .join
      ours = rows.flat_map { |row| row[1].scan(/`([^`]+)`/).flatten }
        .flat_map { |name| name.split(/::|\./) }
      names = ours.map { |name| name[/\A\w+/] }.uniq
      assert_operator names.size, :>, 40
      assert_empty(names.reject { |name| headers.match?(/\b#{name}\b/) })
    end
  end
end
