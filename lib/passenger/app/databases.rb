# frozen_string_literal: true

module PhusionPassenger
  # The database connections of ActiveRecord in this process. Forks of the process must not share
  # them.
  module Databases
    ALL_ROLES_BY_NAME = Gem::Version.new("7.1")
    private_constant :ALL_ROLES_BY_NAME

    # Closes the connections of all roles; `connects_to` makes one role for writing and one for
    # reading. Without a role, Rails before 7.2 closes the connections of one role only, and 7.1
    # warns.
    def self.disconnect
      return unless defined?(::ActiveRecord::Base)
      return ::ActiveRecord::Base.connection_handler.clear_all_connections!(:all) if ::ActiveRecord.version >= ALL_ROLES_BY_NAME

      handlers.each do |handler|
        handler.respond_to?(:all_connection_pools) ? handler.all_connection_pools.each(&:disconnect!) : handler.clear_all_connections!
      end
    end

    # Rails 6.0 always has a handler for each role, 6.1 unless it is configured otherwise.
    def self.handlers
      base = ::ActiveRecord::Base
      several = base.respond_to?(:legacy_connection_handling) ? base.legacy_connection_handling : base.respond_to?(:connection_handlers)
      [base.connection_handler, *(base.connection_handlers.values if several)].uniq
    end
    private_class_method :handlers
  end
end
