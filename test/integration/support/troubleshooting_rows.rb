# frozen_string_literal: true

# The rows of doc/TROUBLESHOOTING.md, each with the tests that show its symptom and try its remedy:
# the file, without `_test.rb` or with its folder, and the test. A row is known by the beginning of
# its first cell.
module TroubleshootingRows
  LENGTH = 40

  # Of a line of the document.
  def self.key(line)
    line[2..].split(" | ").first[0, LENGTH].strip
  end

  ROWS = {
    "403" => [
      ["`AH01630: client denied by server config",
       "troubleshooting_refusals#test_403_without_an_access_rule"],
      ["`AH00112: Warning: DocumentRoot […] does",
       "validate_install#test_a_document_root_that_does_not_exist_is_a_warning"],
      ["`AH00035: … search permissions are missi",
       "troubleshooting_refusals#test_403_without_the_right_to_enter_a_folder"],
      ["`AH01276: Cannot serve directory`",
       "troubleshooting_refusals#test_403_where_httpd_finds_no_application"],
      ["nothing, and the answer has X-Powered-By",
       "troubleshooting_refusals#test_403_of_the_application"]
    ],
    "404-instead-of-the-application" => [
      ["`ls -l /srv/blog`",
       "troubleshooting_refusals#test_404_without_a_startup_file_where_it_is_looked_for"],
      ["`event=app.unknown` in httpd's error log",
       "troubleshooting_refusals#test_404_with_a_startup_file_of_another_name"],
      ["`passenger-config explain URL`, `apachec",
       "troubleshooting_refusals#test_404_of_another_virtual_host"],
      ["the URL is below a folder, as `/shop`", "troubleshooting_refusals#test_404_below_an_alias"],
      ["the configuration",
       "troubleshooting_refusals#test_404_where_the_configuration_gives_the_place_to_another"],
      ["the DocumentRoot is a link to a release",
       "troubleshooting_refusals#test_404_where_the_document_root_is_a_link"],
      ["the answer has X-Powered-By",
       "mapping#test_wsgi_applications_get_script_name_and_path_info"],
      ["the file was put there a moment ago",
       "mapping#test_an_application_may_appear_while_httpd_runs"]
    ],
    "500-at-the-start" => [
      ["a gem or library is not there", "troubleshooting_starts#test_500_without_a_gem"],
      ["another version of Ruby", "troubleshooting_starts#test_500_with_another_ruby"],
      ["a variable is not set, a secret cannot b",
       "troubleshooting_starts#test_500_without_a_variable"],
      ["permission denied", "troubleshooting_starts#test_500_without_permission"],
      ["the time was over", "troubleshooting_starts#test_500_when_the_time_was_over"],
      ["the kernel or someone killed the process",
       'killed_boot#test_an_application_that_kills_itself_fails_after_one_more_#{method}_attempt'],
      ["another process uses the port (EADDRINUS",
       "node_failures#test_the_first_line_about_a_port_that_is_taken_has_cause_and_remedy"],
      ["the application does not listen (start c",
       "troubleshooting_starts#test_500_of_a_command_that_does_not_listen"]
    ],
    "it-works-in-irb-but-not-under-httpd" => [
      ["the user: the owner of `config.ru`, not",
       "troubleshooting_starts#test_the_startup_file_of_root_and_a_user_who_does_not_exist"],
      ["the Ruby: PassengerDefaultRuby, not the",
       "troubleshooting_starts#test_500_with_another_ruby"],
      ["variables of `~/.bashrc`, which only int",
       "troubleshooting_starts#test_a_variable_that_only_interactive_shells_read"],
      ["variables that decide which code runs, f",
       "troubleshooting_starts#test_a_variable_of_an_htaccess_file_that_decides_which_code_runs"],
      ["the environment: `production`, not `deve",
       "troubleshooting_starts#test_another_environment"],
      ["the limit of processes at the start (`ev",
       "troubleshooting_limits#test_a_start_with_too_many_processes"],
      ["threads that the application starts whil",
       "troubleshooting_starts#test_threads_that_are_missing_in_instances"],
      ["gems that do not survive a fork (`event=",
       "troubleshooting_starts#test_an_application_that_does_not_survive_a_fork"]
    ],
    "the-first-request-is-slow" => [
      ["after httpd's start", "pre_start#test_an_application_starts_without_a_client"],
      ["after a while without requests",
       "troubleshooting_changes#test_an_instance_that_ends_without_requests"],
      ["when the load rises",
       "preloader#test_a_preloader_that_forks_nothing_ends_and_its_instance_still_serves"],
      ["often, with many applications; `event=in",
       "troubleshooting_limits#test_applications_that_take_the_room_from_each_other"],
      ["after a deploy", "deploy#test_with_rolling_restarts_no_request_waits_for_the_new_version"],
      ["each start is slow", "forking#test_instances_come_from_one_preloader"],
      ["only the first request of each instance",
       "warm_up#test_no_client_sees_the_first_request_of_a_new_version"]
    ],
    "503" => [
      ["\"queue is full: N requests wait in it\"", "troubleshooting_load#test_503_of_a_full_queue"],
      ["\"queue is full: the buffer of its socket",
       "troubleshooting_limits#test_503_of_a_queue_with_a_small_buffer"],
      ["\"PassengerFairnessKey has its share\"",
       "fairness#test_a_client_may_hold_as_many_places_of_the_queue_as_are_free"],
      ["\"holds its share of httpd's threads\"",
       "troubleshooting_limits#test_503_where_one_application_holds_its_share_of_the_threads"],
      ["nothing, but `passenger-status` has \"Req",
       "troubleshooting_load#test_requests_wait_while_the_pool_is_full_of_busy_instances"],
      ["`event=agent.not_started`, `event=agent.",
       "troubleshooting_limits#test_503_where_the_agent_was_not_started"],
      ["`event=descriptors.short`, `event=descri",
       "troubleshooting_limits#test_too_few_descriptors"],
      ["\"has taken over N connections\"",
       "troubleshooting_limits#test_more_web_sockets_than_one_child_takes"],
      ["\"descriptors whose close waits\"",
       "attack_descriptors#test_many_descriptors_whose_close_waits_cost_their_sender_its_" \
       "requests_only"],
      ["\"before the server process had to end\"",
       "test/unit/ExchangeLimitsTest.cpp#testAWaitingRequestIsRefusedWhenItsProcessEnds",
       "troubleshooting_ends#test_a_request_that_waits_in_a_child_that_ends_gets_a_new_instance",
       "ending_children#test_a_graceful_end_waits_no_longer_than_the_queues_limit"],
      ["\"this server process is ending\"",
       "troubleshooting_ends#test_503_at_a_restart_of_httpd"],
      ["only the balancer's check (`SetHandler p",
       "troubleshooting_load#test_503_of_a_balancers_check"],
      ["the same: \"does not start\"", "health#test_an_application_that_does_not_start_is_not"],
      ["the same: \"has let a request wait\"",
       "health#test_a_request_that_waits_too_long_sends_others_elsewhere"],
      ["the same, and `event=status.failed`",
       "agent_death#test_a_pool_process_that_stands_still_is_replaced_and_requests_are_served"]
    ],
    "the-pool-is-full" => [
      ["all instances of all applications in wor",
       "troubleshooting_load#test_requests_wait_while_the_pool_is_full_of_busy_instances"],
      ["one application with most of the instanc",
       "engine#test_the_limit_for_all_applications_holds_for_each"],
      ["requests in work for minutes", "troubleshooting_load#test_504_of_a_request_that_hangs"],
      ["instances with a short uptime, and `even",
       "troubleshooting_limits#test_applications_that_take_the_room_from_each_other"]
    ],
    "502" => [
      ["\"the instance died\"", 'troubleshooting_load#test_502_#{name}'],
      ["the same, around a deploy",
       "troubleshooting_ends#test_502_of_a_request_that_outlasts_the_time_of_an_old_instance"],
      ["\"the application broke off its answer\"", 'troubleshooting_load#test_502_#{name}'],
      ["`event=response.refused` in the applicat", 'troubleshooting_load#test_502_#{name}'],
      ["\"shorter than its Content-Length\"", 'troubleshooting_load#test_502_#{name}'],
      ["`event=response.refused` with \"an upgrad", 'troubleshooting_load#test_502_#{name}'],
      ["the application is in Node, Python or an",
       "troubleshooting_load#test_502_of_an_application_in_another_language"]
    ],
    "504" => [
      ["\"no instance began the request within …\"",
       "troubleshooting_load#test_504_of_a_request_that_waited"],
      ["\"the application worked on the request f",
       "troubleshooting_load#test_504_of_a_request_that_hangs"],
      ["nothing",
       "troubleshooting_balancer#test_504_of_a_balancer_that_gives_up_before"]
    ],
    "memory-grows" => [
      ["one instance grows without end",
       "replacement#test_an_instance_over_its_memory_limit_is_replaced_and_the_log_says_why"],
      ["the instances of all applications grow b",
       "memory_budget#test_leaking_and_honest_applications_share_a_budget_and_no_request_fails"],
      ["it grows faster than requests end",
       "replacement#test_an_instance_over_its_hard_memory_limit_is_killed_and_another_one_serves"],
      ["each instance grows to a size and stays",
       "preloader#test_a_warmed_rails_instance_makes_the_next_preloader_under_load_and_no_" \
       "request_fails"],
      ["there are too many instances", "troubleshooting_limits#test_too_many_instances"],
      ["`event=instance.exited … signal=9` witho",
       "troubleshooting_limits#test_an_instance_that_the_kernel_kills"],
      ["daemons and commands of the application",
       "cgroups#test_an_application_has_the_limits_of_its_directives_or_the_log_says_why_not"],
      ["httpd's children grow", "troubleshooting_limits#test_files_of_uploads_in_memory"]
    ],
    "restarttxt-does-nothing" => [
      ["`event=app.restart` and `event=deploy.fa",
       "troubleshooting_changes#test_a_new_version_that_does_not_start"],
      ["nothing; `sudo -u alice stat /srv/blog/t",
       "troubleshooting_changes#test_a_restart_file_that_the_user_may_not_see"],
      ["nothing; the file's time is as before",
       "troubleshooting_changes#test_a_restart_file_that_keeps_its_time"],
      ["nothing; the file is in another folder",
       "troubleshooting_changes#test_a_restart_file_in_another_folder"],
      ["nothing; a shared file system (NFS), or",
       "troubleshooting_changes#test_a_kernel_that_reports_no_changes"],
      ["nothing; `passenger-status` does not sho",
       "troubleshooting_changes#test_a_restart_file_of_an_application_that_does_not_run"]
    ],
    "the-new-version-is-not-served" => [
      ["`event=deploy.failed … report=NUMBER`",
       "troubleshooting_changes#test_a_new_version_that_does_not_start"],
      ["`passenger-status` shows \"restarting\" fo",
       "deploy#test_no_request_waits_behind_a_slow_request_of_the_old_version"],
      ["some answers are old", "troubleshooting_changes#test_a_restart_without_the_file"],
      ["only some URLs are old",
       "troubleshooting_changes#test_a_cached_page_and_a_file_of_the_name"],
      ["the same, with Cache-Control or Expires",
       "troubleshooting_changes#test_an_answer_that_turbocaching_keeps"],
      ["`current` has been switched, and the old",
       "troubleshooting_changes#test_a_link_that_is_switched"],
      ["a directive or SetEnv has no effect",
       "troubleshooting_changes#test_a_variable_that_httpd_and_the_process_do_not_have"],
      ["a variable in .htaccess has no effect in",
       "troubleshooting_starts#test_a_variable_of_an_htaccess_file_that_decides_which_code_runs"]
    ],
    "websockets-are-cut" => [
      ["at each deploy, `event=app.restart`",
       "troubleshooting_changes#test_web_sockets_are_cut_at_a_restart_and_may_come_again"],
      ["after minutes, with little load; `event=",
       "troubleshooting_changes#test_an_instance_that_ends_without_requests"],
      ["PassengerMaxRequests, PassengerMemoryLim",
       "troubleshooting_changes#test_web_sockets_are_cut_when_the_instance_is_worn"],
      ["`event=connection.given_up` at `LogLevel",
       "troubleshooting_changes#test_a_client_that_takes_nothing_for_long"],
      ["each message reaches the client, but not",
       "connection_transfer#test_the_access_log_tells_of_a_transfer_and_has_its_status"],
      ["at `systemctl restart` of httpd", "hijack#test_web_sockets_survive_a_graceful_reload"],
      ["503, \"has taken over N connections\"",
       "troubleshooting_limits#test_more_web_sockets_than_one_child_takes"],
      ["502, \"carries other requests, too\"", "http2#test_hijacking_is_not_offered"],
      ["after a fixed time of silence, nothing i",
       "troubleshooting_balancer#test_a_balancer_cuts_web_sockets_that_are_silent"]
    ],
    "uploads-fail" => [
      ["413", "troubleshooting_changes#test_413"],
      ["507", "troubleshooting_changes#test_507"],
      ["507", "buffered_uploads#test_a_full_disk_is_an_error_that_leaves_nothing_behind"],
      ["500", "troubleshooting_changes#test_500_where_the_folder_for_uploads_is_missing"],
      ["408, 400", "troubleshooting_changes#test_408"],
      ["502, 504",
       "max_request_time#test_the_limit_holds_while_the_application_does_not_read_the_body"]
    ],
    "the-log-has-nothing" => [
      ["the agent's lines, and what applications",
       "troubleshooting_commands#test_lines_of_another_file"],
      ["the application's lines alone", "troubleshooting_commands#test_a_file_of_the_application"],
      ["lines of a start command come late",
       "troubleshooting_commands#test_lines_that_the_applications_buffer_keeps"],
      ["the module's lines about requests", "troubleshooting_commands#test_events_below_the_level"],
      ["`event=instance.idle`, `instance.worn` a",
       "troubleshooting_commands#test_events_below_the_level"],
      ["some lines", "troubleshooting_commands#test_lines_that_are_left_out"],
      ["everything since a rotation", "troubleshooting_commands#test_lines_of_another_file"],
      ["everything after a reload", "troubleshooting_commands#test_lines_of_another_file"]
    ],
    "an-application-runs-as-the-wrong-user" => [
      ["`event=spawn.user_replaced`",
       "troubleshooting_starts#test_the_startup_file_of_root_and_a_user_who_does_not_exist"],
      ["`event=users.not_switched`",
       "users#test_started_by_an_ordinary_user_everything_runs_as_that_user_and_one_line_says_so"],
      ["nothing, and all run as nobody",
       "troubleshooting_starts#test_the_owner_of_the_folder_does_not_count"],
      ["nothing", "troubleshooting_starts#test_the_owner_of_the_folder_does_not_count"],
      ["`event=spawn.failed`: \"the link … belong",
       "troubleshooting_starts#test_a_link_of_another_user"],
      ["two places share an application that nam",
       "users#test_places_of_one_folder_that_name_different_users_or_groups_share_no_instance"]
    ],
    "commands-find-no-agent" => [
      ["\"no agent of mod_passenger is running\"",
       "troubleshooting_commands#test_another_folder_and_no_httpd"],
      ["the same, while requests are served",
       "troubleshooting_commands#test_another_folder_and_no_httpd"],
      ["the same, with a folder in /tmp or /var/",
       "test/package/boot#commands_find_the_agent_in_a_folder_outside_of_tmp"],
      ["the same, and the log has `event=registr",
       "troubleshooting_commands#test_a_folder_to_which_others_may_write"],
      ["\"this user may not ask the agent\"",
       "troubleshooting_commands#test_a_user_who_may_not_ask_the_agent"],
      ["an empty list", "troubleshooting_commands#test_a_user_who_owns_no_application"],
      ["\"several agents are running\"", "troubleshooting_commands#test_several_agents"],
      ["\"does not answer\"", "status#test_without_an_agent_it_says_so"]
    ]
  }.freeze
end
