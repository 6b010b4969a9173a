# frozen_string_literal: true

# Replaces files and folders of its user by links to those of others, again and again.
#
#     racer.rb COUNT SPAWN_DIR FOLDER OTHERS FILE...
#
# OTHERS are paths of other users, with colons between them; FOLDER is theirs. In SPAWN_DIR the
# folders of bridges are replaced, too. Now and then the folder of config.ru is a link for so long
# that the application can start; then its processes are killed. A bridge is killed, too, and leaves
# a link beside its folder (`passenger.PID.linked`). These links stay. All else is as before after
# COUNT rounds.

class Racer
  BETWEEN_FOLDERS = 10
  BETWEEN_HOLDS = 1000
  # Seconds.
  HOLD = 0.3
  INSTANCE = /\APassenger (RubyApp|AppPreloader)/.freeze

  def initialize(count, spawn_dir, folder, others, files)
    @count = count
    @spawn_dir = spawn_dir
    @folder = folder
    @others = others
    @contents = files.to_h { |file| [file, File.read(file)] }
    @random = Random.new(1)
  end

  def run
    @count.times do |round|
      @contents.each_key { |file| replace(file) }
      replace_folders if (round % BETWEEN_FOLDERS).zero?
      hold if (round % BETWEEN_HOLDS).zero?
    end
  ensure
    @contents.each_key { |file| restore(file) }
  end

  private

  def replace(file)
    new = "#{file}.new"
    other = namesake(file) || @others.sample(random: @random)
    case @random.rand(4)
    when 0 then File.write(new, @contents[file])
    when 1 then File.symlink(other, new)
    when 2 then File.symlink(File.join(@folder, "absent"), new)
    else File.link(other, new)
    end
    File.rename(new, file)
  rescue SystemCallError
    File.unlink(new) if File.symlink?(new) || File.exist?(new)
  end

  # A file of another user with this name.
  def namesake(file)
    @others.select { |other| File.basename(other) == File.basename(file) }.sample(random: @random)
  end

  # The application starts anew while its folder is another user's.
  def hold
    crash_bridge
    in_place_of(application) do
      own_instances.each { |pid| kill(pid) }
      sleep HOLD
    end
  end

  def application
    startup_file = @contents.keys.find { |file| file.end_with?("/config.ru") }
    File.dirname(startup_file)
  end

  # FOLDER is in the place of an own folder while the block runs.
  def in_place_of(path, aside = "#{path}.aside")
    File.rename(path, aside)
    File.symlink(@folder, path)
    yield
    File.unlink(path)
    File.rename(aside, path)
  end

  def kill(pid)
    Process.kill(:KILL, pid)
  rescue Errno::ESRCH
    nil
  end

  def own_instances
    Dir.children("/proc").grep(/\A\d+\z/).map(&:to_i).select do |pid|
      File.stat("/proc/#{pid}").owned? && INSTANCE.match?(File.read("/proc/#{pid}/cmdline"))
    rescue SystemCallError
      false
    end
  end

  def restore(file)
    File.unlink(file) if File.exist?(file) || File.symlink?(file)
    File.write(file, @contents[file])
  end

  # The folders of own bridges.
  def bridges
    Dir.glob(File.join(@spawn_dir, "passenger.[0-9]*.*")).select do |path|
      File.lstat(path).directory? && File.owned?(path)
    rescue Errno::ENOENT
      false
    end
  end

  def replace_folders
    in_place_of(application) { nil }
    path = bridges.first or return
    in_place_of(path, path.sub(/\.\w+\z/, ".asidea")) { nil }
  rescue SystemCallError
    nil
  end

  # The agent then looks for what the bridge has left.
  def crash_bridge
    path = bridges.first or return
    File.symlink(@folder, path.sub(/\.\w+\z/, ".linked"))
    kill(path[/\.(\d+)\./, 1].to_i)
  rescue SystemCallError
    nil
  end
end

count, spawn_dir, folder, others, *files = ARGV
Racer.new(Integer(count), spawn_dir, folder, others.split(":"), files).run
