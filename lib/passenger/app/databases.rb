# frozen_string_literal: true

module PhusionPassenger
  # The database connections of ActiveRecord in this process, which its forks should not share.
  module Databases
    ALL_ROLES_BY_NAME = Gem::Version.new("7.1")
    private_constant :ALL_ROLES_BY_NAME

    # Closes those of all roles, with `connects_to` one for writing and one for reading. Without a role Rails before 7.2 closes those of one
    # role alone, which 7.1 warns of.
    def self.disconnect
      return unless defined?(::ActiveRecord::Base)
      return ::ActiveRecord::Base.connection_handler.clear_all_connections!(:all) if ::ActiveRecord.version >= ALL_ROLES_BY_NAME

      handlers.each do |handler|
        handler.respond_to?(:all_connection_pools) ? handler.all_connection_pools.each(&:disconnect!) : handler.clear_all_connections!
      end
    end

    # Rails 6 may have one for each role: 6.0 always, 6.1 unless it was told otherwise.
    def self.handlers
      base = ::ActiveRecord::Base
      several = base.respond_to?(:legacy_connection_handling) ? base.legacy_connection_handling : base.respond_to?(:connection_handlers)
      [base.connection_handler, *(base.connection_handlers.values if several)].uniq
    end
    private_class_method :handlers
  end
end
