"""Where things are kept: one repository per aggregate over pynamodb. No pynamodb model leaves this folder."""
