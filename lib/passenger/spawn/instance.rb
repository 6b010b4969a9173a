# frozen_string_literal: true

require_relative "../app/app_process"

# Started as a program: loads its application itself. A preloader's child comes with it loaded.
if __FILE__ == $PROGRAM_NAME
  PhusionPassenger::AppProcess.start("RubyApp") do |control, app|
    require_relative "../instance/app_instance"
    control.write(PhusionPassenger::Frame::Control::LOADED)
    PhusionPassenger::AppInstance.new(control, app, forked: false).run
  end
end
