# frozen_string_literal: true

module PhusionPassenger
  # A temporary file that has no name: it is gone as soon as it is closed, however the process ends.
  module UnlinkedFile
    # Open for reading and writing, binary, without a buffer of its own.
    def self.open
      file = unnamed
    rescue Errno::EOPNOTSUPP, Errno::EISDIR, Errno::ENOENT, Errno::EINVAL
      require "tempfile"
      file = Tempfile.create("passenger-body", mode: File::RDWR).tap { |named| File.unlink(named.path) }
    ensure
      file&.sync = true
      file&.binmode
    end

    # It never has a name, where the file system offers that.
    def self.unnamed
      File.open(ENV.fetch("TMPDIR", "/tmp"), File::RDWR | File::TMPFILE | File::EXCL, 0o600)
    end
    private_class_method :unnamed
  end
end
