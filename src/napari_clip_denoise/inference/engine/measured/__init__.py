"""What is measured on planes as wholes, so that it does not depend on how they are cut."""
