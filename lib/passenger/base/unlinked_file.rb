# frozen_string_literal: true

module PhusionPassenger
  # A temporary file without a name. The file system frees it when it is closed, however the process
  # ends.
  module UnlinkedFile
    # Returns a file open for reading and writing, in binary mode and unbuffered.
    def self.open
      file = unnamed
    rescue Errno::EOPNOTSUPP, Errno::EISDIR, Errno::ENOENT, Errno::EINVAL
      require "tempfile"
      file = Tempfile.create("passenger-body", mode: File::RDWR).tap do |named|
        File.unlink(named.path)
      end
    ensure
      file&.sync = true
      file&.binmode
    end

    # Raises an exception of `open`'s list if the file system cannot make a file without a name.
    def self.unnamed
      File.open(ENV.fetch("TMPDIR", "/tmp"), File::RDWR | File::TMPFILE | File::EXCL, 0o600)
    end
    private_class_method :unnamed
  end
end
