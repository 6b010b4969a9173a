# frozen_string_literal: true

# `require "phusion_passenger"` finds this file. An instance has the API from its start.
