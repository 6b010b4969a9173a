# frozen_string_literal: true

require_relative "process_test_case"
require_relative "../../lib/passenger/spawn/boot_keeper"

module PhusionPassenger
  # The processes that are left if a process with descendants does not finish its boot.
  class BootKeeperTest < ProcessTestCase
    def test_a_boot_that_is_given_up_leaves_no_process
      %w[preloader instance].each do |role|
        process, pids = booting(role)
        process.boot.close
        [process.pid, *pids].each { |pid| @agent.wait_for_end(pid) }
      end
    end

    def test_no_process_is_left_whatever_other_users_name_theirs
      named = fork do
        File.binwrite("/proc/self/comm", "\xFF")
        sleep
      end
      eventually("the name") { File.binread("/proc/#{named}/comm") == "\xFF\n".b }
      # Where the kernel has no list of children.
      assert_equal Process.pid, BootKeeper.new(nil, nil).send(:parent_of, named)
      process, pids = booting("instance")
      process.boot.close
      [process.pid, *pids].each { |pid| @agent.wait_for_end(pid) }
    ensure
      Process.kill("KILL", named)
      Process.wait(named)
    end

    def test_a_process_that_ends_while_it_boots_leaves_no_process
      process, pids = booting("instance")
      Process.kill("KILL", process.pid)
      assert_equal "9", in_time { process.wait_status.read(1) }
      pids.each { |pid| @agent.wait_for_end(pid) }
    end

    def test_the_keeper_s_socket_ends_after_all_its_processes
      process, pids = booting("instance")
      process.boot.close_write
      assert_nil in_time { process.boot.read(1) }
      assert_empty [process.pid, *pids].select { |pid| @agent.alive?(pid) }
    end

    def test_after_its_boot_a_process_and_what_it_has_started_are_left_alone
      process, pids = booting("instance")
      process.booted
      eventually("the keeper's end") { parent_of(process.pid) == @agent.hello.fields[1].to_i }
      assert([process.pid, *pids].all? { |pid| @agent.alive?(pid) })
      Process.kill("KILL", process.pid)
      assert_equal "9", in_time { process.wait_status.read }
      assert(pids.all? { |pid| @agent.alive?(pid) })
    ensure
      pids&.each { |pid| Process.kill("KILL", pid) }
    end

    def test_a_process_never_sees_its_keeper_s_socket
      process, = @agent.start("instance")[1]
      process.read # from here on the process waits, and opens nothing
      assert_equal 1, descriptors_of(process).values.grep(/socket/).size
    end

    private

    # Returns a process that hangs while its application loads, and the pids of the processes that
    # it has started.
    def booting(role)
      _, process = @agent.start(role)
      process.read
      process.control.write(49, *options("boot_children.ru").flatten)
      pids = Array.new(4) { in_time { Integer(process.output.gets) } }
      assert(pids.all? { |pid| @agent.alive?(pid) })
      [process, pids]
    end

    def parent_of(pid)
      File.read("/proc/#{pid}/status")[/^PPid:\s+(\d+)/, 1].to_i
    end
  end
end
