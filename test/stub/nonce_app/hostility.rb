# frozen_string_literal: true

# Misuses the descriptors of its own process in each way that an application can. While a file with
# the given name exists, also again, a thread writes random bytes to the claims, the reply channels
# and the agent. It notes its channels' ids in a file beside it.
class Hostility
  SECONDS_BETWEEN = 0.002
  SECONDS_OF_PEACE = 0.05

  def self.begin(name)
    Thread.new { new(name).rage }
  end

  def initialize(name)
    @name = name
    @claims = descriptor(/passenger-claims/)
    @random = Random.new
    ObjectSpace.each_object(PhusionPassenger::FrameSocket) do |socket|
      @control = socket unless socket.io.closed?
    end
    ObjectSpace.each_object(PhusionPassenger::Channels) { |channels| @channels = channels }
  end

  def rage
    loop do
      hostile = File.exist?(@name)
      act if hostile
      sleep hostile ? SECONDS_BETWEEN : SECONDS_OF_PEACE
    end
  end

  private

  def act
    case @random.rand(1000)
    when 0...500 then scribble
    when 500...750 then babble
    when 750...996 then ask_for_others
    when 996...998 then note_channels
    else disturb
    end
  rescue SystemCallError, IOError
    nil
  end

  def known
    @channels.instance_variable_get(:@known)
  end

  def descriptor(name)
    number = Dir.children("/proc/self/fd").find do |one|
      File.readlink("/proc/self/fd/#{one}").match?(name)
    end
    File.for_fd(number.to_i, "r+b", autoclose: false)
  end

  # Writes a claim of random bytes, or of a real channel.
  def scribble
    offset = 64 + 32 * @random.rand(1024)
    cell = [known.keys.sample || 0, @random.rand(10_000)].pack("Q<Q<")
    @claims.pwrite(@random.rand(2).zero? ? @random.bytes(@random.rand(1..64)) : cell, offset)
  end

  # Sends a message of any type to a child that does not expect one.
  def babble
    channel = known.values.sample or return
    socket = channel.instance_variable_get(:@io)
    header = [@random.rand(10_000), @random.rand(256), @random.rand(256), 200,
              @random.rand(1 << 20), 0, 0]
    message = if @random.rand(2).zero?
                @random.bytes(@random.rand(1..2_000))
              else
                header.pack("Q<CCvVVV")
              end
    socket.sendmsg_nonblock(message, exception: false)
  end

  # Ids are consecutive, so those of other applications are near.
  def ask_for_others
    id = (known.keys.sample || 0) + (@random.rand(-20..20) << 16) + @random.rand(-20..20)
    @control.write(PhusionPassenger::Frame::Control::FETCH, [id, 0].max)
  end

  # Frames that an instance may send, or not. After a wrong one the agent ends the instance.
  def disturb
    @control.write(@random.rand(40..80), @random.bytes(@random.rand(100)))
  end

  def note_channels
    File.write("#{@name}.channels", known.keys.join(" "))
  end
end
