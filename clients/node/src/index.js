"use strict";

const { Keyway } = require("./client.js");
const errors = require("./errors.js");
const { Listing, Page } = require("./listing.js");
const { Secret } = require("./secret.js");

module.exports = { Keyway, Client: Keyway, Listing, Page, Secret, ...errors };
