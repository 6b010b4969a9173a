# frozen_string_literal: true

require_relative "uploads_test"

# The same bodies, where the application reads them while they come.
class StreamedUploadsTest < UploadsTest
  serve do |made|
    made.main_directives << "LimitRequestFieldSize 200000\nPassengerBufferUpload off\n"
    made.site("rack.test", SampleApps.rack)
    made.site("rails.test", SampleApps.rails, "SetEnv SECRET_KEY_BASE #{SampleApps::SECRET}\n")
  end
end
