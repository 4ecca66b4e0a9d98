// Takes the place of the theme's script of the same name: 1.5 MB that draw icons
// which the theme's web fonts draw, too.
