# frozen_string_literal: true

require "fileutils"
require "tmpdir"
require_relative "environment"

# A file system of a test's own. For IntegrationTest.
module SmallDisk
  # Yields its folder, which all may write to.
  def with_small_disk(kilobytes)
    needs_root "mounts a small file system"
    folder = Dir.mktmpdir("disk", TestEnvironment::WORK_DIR)
    mounted = system("mount", "-t", "tmpfs", "-o", "size=#{kilobytes}k,mode=1777", "tmpfs", folder,
                     err: File::NULL)
    skip "cannot mount a file system here" unless mounted
    yield folder
  ensure
    # A server that a failed test leaves still has files there.
    system("umount", "--lazy", folder) if mounted
    Dir.rmdir(folder) if folder
  end
end
