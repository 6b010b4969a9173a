# frozen_string_literal: true

module PhusionPassenger
  # Files that go to httpd as one descriptor, in place of their bytes (PassengerAnswerFiles;
  # doc/PROTOCOLS.md, section 3.8).
  module AnswerFile
    # A file costs more than a few pieces: its file system is looked up, and httpd checks it.
    LEAST = 256 * 1024
    # The file systems of which httpd takes files (ext/common/exchange/AnswerFile.cpp says why).
    FILE_SYSTEMS = %w[ext4 btrfs tmpfs].freeze
    # Behind optional fields stand a hyphen and the type.
    TYPE = / - (\S+) /.freeze
    private_constant :LEAST, :FILE_SYSTEMS, :TYPE

    class << self
      # Whether httpd takes the open file, and it is long enough.
      def suits?(file)
        stat = file.stat
        stat.file? && stat.size >= LEAST && FILE_SYSTEMS.include?(file_system_of(file))
      rescue SystemCallError # without /proc
        false
      end

      private

      def file_system_of(file)
        id = File.read("/proc/self/fdinfo/#{file.fileno}")[/^mnt_id:\s*(\d+)$/, 1]
        # Bytes: mount points have names in any coding.
        mounts = File.foreach("/proc/self/mountinfo", mode: "rb")
        mount = mounts.find { |line| line.start_with?("#{id} ") }
        mount && mount[TYPE, 1]
      end
    end
  end
end
