# frozen_string_literal: true

require "open3"
require_relative "test_helper"
require "passenger/http/prefork_report"

module PhusionPassenger
  # The messages of a worker to its monitor.
  class PreforkReportTest < TestCase
    def told(interval)
      reader, writer = IO.pipe.each { |io| closing(io) }
      yield PreforkReport.new(writer, interval)
      writer.close
      reader.read.b
    end

    def test_the_messages_are_those_of_the_monitor
      header = File.read(File.expand_path("../../ext/common/prefork/WorkerOutput.h", __dir__))
      [["COMM_ACK", PreforkReport::ACK], ["COMM_BUSY", PreforkReport::BUSY],
       ["COMM_NOT_BUSY", PreforkReport::NOT_BUSY]].each do |name, word|
        parts = header[/ #{name}\s*=\s*([^;]+);/, 1].scan(/"([^"]+)"/).flatten
        bytes = parts.join.gsub(/\\x(\h\h)/) { $1.hex.chr }.b
        assert_equal bytes, word
      end
    end

    def test_a_worker_of_another_version_than_its_monitor_ends_and_says_so
      source = File.read(File.expand_path("../../ext/common/standalone/RackPreFork.cpp", __dir__))
      own = Integer(source[/ PROTOCOL = (\d+);/, 1])
      worker = File.join(LIBRARY, "http/prefork_worker.rb")
      other, same = [own + 1, own].map do |protocol|
        Open3.capture2e(RbConfig.ruby, worker, "protocol=#{protocol}", stdin_data: "").first
      end
      reason = /\Aevent=worker.failed reason="the files are of another version .*restart it/
      assert_match reason, other
      refute_match reason, same
    end

    def test_signs_of_life_come_at_their_interval
      assert_equal(PreforkReport::ACK * 3,
                   told(2) { |report| [10, 11, 12, 13.9, 14].each { |now| report.alive(now) } })
    end

    def test_a_request_begins_with_a_sign_unless_it_follows_at_once
      words = told(2) do |report|
        report.alive(10)
        [10.001, 10.5, 10.501, 11].each { |now| report.begin_request(now) }
      end
      assert_equal PreforkReport::ACK * 3, words
    end

    def test_without_an_interval_there_are_no_signs
      assert_empty(told(0) { |report| [report.alive(10), report.begin_request(11)] })
    end
  end
end
