# frozen_string_literal: true

require_relative "../app/app_process"

# A program that loads its application itself. Instances that a preloader forks do not run this
# file.
if __FILE__ == $PROGRAM_NAME
  PhusionPassenger::AppProcess.start("RubyApp") do |control, app|
    require_relative "../instance/app_instance"
    control.write(PhusionPassenger::Frame::Control::LOADED)
    PhusionPassenger::AppInstance.new(control, app, forked: false).run
  end
end
