# frozen_string_literal: true

require_relative "integration_test"
require_relative "made_users"
require_relative "unharmed"

# For tests in which an application of one user (attacker.test) attacks that of another one
# (other.test, of the user "a"). Needs root.
module HostileNeighbour
  include Unharmed

  # A copy of the application that belongs to the user.
  def self.app_of(user, name)
    TestEnvironment.hand_over(SampleApps.copy(name), MadeUsers[user].name)
  end

  private

  def attacker
    client("attacker.test")
  end

  def other
    client("other.test")
  end

  # The pids of the other application's instances.
  def others
    server.tree.matching(/\APassenger RubyApp/).select { |one| one.uid == MadeUsers["a"].uid }
          .map(&:pid).sort
  end

  def root(site)
    server.configuration.sites.find { |one| one.name == site }.root
  end

  # The agent's named socket.
  def control
    Dir.glob("#{server.folder}/**/passenger.*/control").first
  end
end
